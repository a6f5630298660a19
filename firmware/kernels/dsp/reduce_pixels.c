/* MEAN, SUM and REDUCE_MAX over all but the innermost dimension, for cores with SXTAB16: sums take
 * four channels at a time. The C twin is ../ref/reduce_pixels.c. */
#include "es_four_bytes.h"
#include "es_reduce_pixels.h"

static __attribute__((noinline)) es_four_sums_t sum_four(const es_pixels_t *pixels, uint32_t c) {
    return es_sum_four(pixels, c);
}

ES_FOR_SIZE void es_reduce_pixels(const es_reduce_pixels_params_t *p, const es_rows_t *in,
                                  const es_rows_t *out, uint32_t *sums, uint32_t y0, uint32_t y1) {
    const uint32_t channels = out->c;
    const uint32_t by_four = p->mode == ES_REDUCE_SUM ? channels / ES_FOUR * ES_FOUR : 0;
    const es_pixels_t pixels = {
        .in = in, .y = y0, .rows = y1 - y0, .columns = in->w * in->c / channels, .step = channels};
    int8_t *q = (int8_t *)es_row(out, 0);
    es_four_sums_t four;

    for (uint32_t c = 0; c < channels; c++) {
        int32_t all = y0 == 0 ? p->start : (int32_t)sums[c];

        if (c < by_four) {
            if (c % ES_FOUR == 0) {
                four = sum_four(&pixels, c);
            }
            all = es_wrapping_add(all, four.sums[c % ES_FOUR]);
        } else {
            all = es_reduced_channel(p->mode, all, in, channels, c, y0, y1);
        }
        if (y1 < in->h) {
            sums[c] = (uint32_t)all;
        } else {
            q[c] = es_reduced(p, all);
        }
    }
}
