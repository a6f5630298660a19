/* CONV_2D by vectors, portable: the twin that the kernel for cores with MVE is held against. */
#include "es_kernels.h"

/* The weight of tap k for channel `second` of the two. */
static int32_t weight_at(const int8_t *pair, uint32_t k, uint32_t second) {
    return pair[(k / ES_VECTOR * 2 + second) * ES_VECTOR + k % ES_VECTOR];
}

/* The sums of a window that begins at (top, left), from `bias` on. */
static uint32_t add_window(const es_conv_vectors_params_t *p, const es_rows_t *in, int32_t top,
                           int32_t left, const int8_t *pair, uint32_t second, uint32_t sum) {
    uint32_t k = 0;

    for (uint32_t ky = 0; ky < p->kernel_h; ky++) {
        const uint32_t y = (uint32_t)top + ky * p->dilation_h;

        for (uint32_t kx = 0; kx < p->kernel_w; kx++) {
            const uint32_t x = (uint32_t)left + kx * p->dilation_w;
            const int is_inside = y < in->h && x < in->w;
            const int8_t *pixel = (const int8_t *)es_row(in, is_inside ? y : 0);

            for (uint32_t c = 0; c < in->c; c++, k++) {
                const int32_t tap = is_inside ? pixel[x * in->c + c] : p->pad;
                sum += (uint32_t)(tap * weight_at(pair, k, second));
            }
        }
    }
    return sum;
}

static int8_t finish(const es_conv_vectors_params_t *p, int32_t sum, const es_vector_scale_t *s) {
    const int64_t product = ((int64_t)sum * s->multiplier + (1 << 30)) >> 31;
    const int32_t sign = p->negatives ? sum >> 31 : 0;
    const int32_t y = es_wrapping_add(es_wrapping_add((int32_t)product, s->addend), sign);

    return (int8_t)es_clamp(y >> (-(uint32_t)s->shift & 31), p->act_min, p->act_max);
}

void es_conv_vectors(const es_conv_vectors_params_t *p, const int8_t *stream, const es_rows_t *in,
                     const es_rows_t *out, void *scratch, uint32_t y0, uint32_t y1) {
    const uint32_t weight_bytes = es_conv_vectors_of(p, in->c) * 2 * ES_VECTOR;
    const uint32_t pair_bytes = weight_bytes + 2 * (uint32_t)sizeof(es_vector_scale_t);

    (void)scratch;
    for (uint32_t y = y0; y < y1; y++) {
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++, q += out->c) {
            const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;

            for (uint32_t n = 0; n < out->c; n++) {
                const int8_t *pair = stream + n / 2 * pair_bytes;
                /* The last of an odd number comes second. */
                const uint32_t second = n % 2 | (n + 1 == out->c);
                const es_vector_scale_t *scale =
                    (const es_vector_scale_t *)(const void *)(pair + weight_bytes) + second;
                const uint32_t bias = (uint32_t)scale->bias;

                q[n] = finish(p, (int32_t)add_window(p, in, top, left, pair, second, bias), scale);
            }
        }
    }
}
