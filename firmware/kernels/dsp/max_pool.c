/* MAX_POOL_2D, for cores with SSUB8 and SEL: four channels at a time. Its C twin is
 * ../ref/max_pool.c. */
#include "es_four_bytes.h"
#include "es_kernels.h"
#include "es_taps.h"

static int32_t max_of_one(const es_pixels_t *pixels, uint32_t c) {
    int32_t most = INT8_MIN;

    for (uint32_t y = 0; y < pixels->rows; y++) {
        const int8_t *x = (const int8_t *)es_row(pixels->in, pixels->y + y) + pixels->x + c;

        for (uint32_t n = pixels->columns; n > 0; n--, x += pixels->step) {
            most = *x > most ? *x : most;
        }
    }
    return most;
}

static __attribute__((noinline)) void maxima(const es_pool_params_t *p, const es_pixels_t *pixels,
                                             int8_t *q, uint32_t channels) {
    for (uint32_t c = 0; channels >= ES_FOUR && c < channels; c += ES_FOUR) {
        /* The last four overlap the four before them. */
        const uint32_t first = c + ES_FOUR <= channels ? c : channels - ES_FOUR;
        const uint32_t most = es_max_four(pixels, first);

        memcpy(q + first, &most, sizeof most);
    }
    for (uint32_t c = 0; channels < ES_FOUR && c < channels; c++) {
        q[c] = (int8_t)max_of_one(pixels, c);
    }
    if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
        for (uint32_t c = 0; c < channels; c++) {
            q[c] = (int8_t)es_clamp(q[c], p->act_min, p->act_max);
        }
    }
}

void es_max_pool(const es_pool_params_t *p, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
                 uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        const es_taps_t ky = es_taps(top, in->h, 1, p->kernel_h);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++, q += in->c) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            const es_taps_t kx = es_taps(left, in->w, 1, p->kernel_w);
            es_pixels_t pixels = {
                .in = in,
                .y = (uint32_t)top + ky.first,
                .rows = ky.end - ky.first,
                .x = ((uint32_t)left + kx.first) * in->c,
                .columns = kx.end - kx.first,
                .step = in->c,
            };

            es_join_rows(&pixels);
            maxima(p, &pixels, q, in->c);
        }
    }
}
