/* AVERAGE_POOL_2D, for cores with SXTAB16: four channels at a time. Its C twin is
 * ../ref/average_pool.c. */
#include "es_four_bytes.h"
#include "es_kernels.h"
#include "es_pool.h"
#include "es_taps.h"

static __attribute__((noinline)) es_four_sums_t sum_four(const es_pixels_t *pixels, uint32_t c) {
    return es_sum_four(pixels, c);
}

static ES_FOR_SIZE int8_t mean_of_one(const es_pool_params_t *p, const es_pixels_t *pixels,
                                      uint32_t c) {
    int32_t sum = 0;

    for (uint32_t y = 0; y < pixels->rows; y++) {
        const int8_t *x = (const int8_t *)es_row(pixels->in, pixels->y + y) + pixels->x + c;

        for (uint32_t n = pixels->columns; n > 0; n--, x += pixels->step) {
            sum += *x;
        }
    }
    return es_mean(p, sum, pixels->rows * pixels->columns);
}

static __attribute__((noinline)) void means(const es_pool_params_t *p, const es_pixels_t *pixels,
                                            int8_t *q, uint32_t channels) {
    const uint32_t count = pixels->rows * pixels->columns;

    for (uint32_t c = 0; channels >= ES_FOUR && c < channels; c += ES_FOUR) {
        /* The last four overlap the four before them. */
        const uint32_t first = c + ES_FOUR <= channels ? c : channels - ES_FOUR;
        const es_four_sums_t f = sum_four(pixels, first);

        for (uint32_t i = 0; i < ES_FOUR; i++) {
            q[first + i] = es_mean(p, f.sums[i], count);
        }
    }
    for (uint32_t c = 0; channels < ES_FOUR && c < channels; c++) {
        q[c] = mean_of_one(p, pixels, c);
    }
}

ES_FOR_SIZE void es_average_pool(const es_pool_params_t *p, const es_rows_t *in,
                                 const es_rows_t *out, uint32_t y0, uint32_t y1) {
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
            means(p, &pixels, q, in->c);
        }
    }
}

/* Whole pixels, four channels at a time. */
static ES_FOR_SIZE void add_pixels(const es_rows_t *in, uint32_t *sums, uint32_t channels,
                                   uint32_t y0, uint32_t y1) {
    const es_pixels_t pixels = {
        .in = in,
        .y = y0,
        .rows = y1 - y0,
        .columns = in->w * in->c / channels,
        .step = channels,
    };

    for (uint32_t c = 0; c < channels; c += ES_FOUR) {
        const es_four_sums_t f = sum_four(&pixels, c);

        for (uint32_t i = 0; i < ES_FOUR; i++) {
            sums[c + i] += (uint32_t)f.sums[i];
        }
    }
}

ES_FOR_SIZE void es_average_pool_sum(const es_pool_params_t *p, const es_rows_t *in,
                                     const es_rows_t *out, uint32_t *sums, uint32_t y0,
                                     uint32_t y1) {
    const uint32_t channels = out->c, count = in->h * in->w * in->c / channels;
    int8_t *q = (int8_t *)es_row(out, 0);

    for (uint32_t n = 0; y0 == 0 && n < channels; n++) {
        sums[n] = 0;
    }
    if (channels % ES_FOUR == 0 && in->w * in->c % channels == 0) {
        add_pixels(in, sums, channels, y0, y1);
    } else {
        es_add_elements(in, sums, channels, y0, y1);
    }
    for (uint32_t n = 0; y1 == in->h && n < channels; n++) {
        q[n] = es_mean(p, (int32_t)sums[n], count);
    }
}
