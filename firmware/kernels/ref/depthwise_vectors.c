/* DEPTHWISE_CONV_2D by vectors, portable: the twin that the kernel for cores with MVE is held
 * against. */
#include "es_kernels.h"

/* The sum of channel c of the window that begins at (top, left). */
static uint32_t window_sum(const es_depthwise_vectors_params_t *p, const es_rows_t *in, int32_t top,
                           int32_t left, const es_depthwise_channel_t *channel, uint32_t c) {
    uint32_t sum = (uint32_t)channel->bias;

    for (uint32_t ky = 0; ky < p->kernel_h; ky++) {
        const uint32_t y = (uint32_t)top + ky * p->dilation_h;

        for (uint32_t kx = 0; kx < p->kernel_w; kx++) {
            const uint32_t x = (uint32_t)left + kx * p->dilation_w;
            int32_t tap = p->pad;

            if (y < in->h && x < in->w) {
                tap = ((const int8_t *)es_row(in, y))[x * in->c + c];
            }
            sum += (uint32_t)(tap * channel->weights[kx][ky]);
        }
    }
    return sum;
}

static int8_t finish(const es_depthwise_vectors_params_t *p, int32_t sum,
                     const es_depthwise_channel_t *channel) {
    const int64_t product = ((int64_t)sum * channel->multiplier + (1 << 30)) >> 31;
    const int32_t sign = p->negatives ? sum >> 31 : 0;
    const int32_t y = es_wrapping_add(es_wrapping_add((int32_t)product, channel->addend), sign);

    return (int8_t)es_clamp(y >> (channel->exponent & 31), p->act_min, p->act_max);
}

void es_depthwise_vectors(const es_depthwise_vectors_params_t *p,
                          const es_depthwise_channel_t *stream, const es_rows_t *in,
                          const es_rows_t *out, void *scratch, uint32_t y0, uint32_t y1) {
    (void)scratch;
    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;

            for (uint32_t c = 0; c < out->c; c++) {
                const uint32_t sum = window_sum(p, in, top, left, &stream[c], c);
                *q++ = finish(p, (int32_t)sum, &stream[c]);
            }
        }
    }
}
