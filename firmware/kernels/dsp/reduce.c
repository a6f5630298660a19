/* MEAN, SUM and REDUCE_MAX, for cores with SXTAB16: sums over all but the innermost dimension take
 * four channels at a time. The C twin is ../ref/reduce.c. */
#include "es_four_bytes.h"
#include "es_reduce.h"

/* Whether a whole row of sums is over pixels of as many channels. */
static int is_by_channel(const es_reduce_params_t *p) {
    const uint32_t c = p->kept_dims[2];

    return p->mode == ES_REDUCE_SUM && p->kept_dims[1] == 1 && p->kept_strides[2] == 1 &&
           p->reduced_dims[0] == 1 && p->reduced_dims[1] == 1 &&
           p->reduced_strides[2] == (int32_t)c && c % ES_FOUR == 0;
}

static __attribute__((noinline)) void add_pixels(const es_pixels_t *pixels, uint32_t *sums,
                                                 uint32_t c) {
    const es_four_sums_t f = es_sum_four(pixels, c);

    for (uint32_t i = 0; i < ES_FOUR; i++) {
        sums[i] += (uint32_t)f.sums[i];
    }
}

void es_reduce(const es_reduce_params_t *p, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
               uint32_t y1) {
    if (!is_by_channel(p)) {
        es_reduce_any(p, in, out, y0, y1);
        return;
    }
    for (uint32_t y = y0; y < y1; y++) {
        int8_t *q = (int8_t *)es_row(out, y);
        /* The input is dense: what is reduced are the pixels of a single row. */
        const es_rows_t dense = {.base = in->base + y * (uint32_t)p->kept_strides[0], .depth = 1};
        const es_pixels_t pixels = {
            .in = &dense, .rows = 1, .columns = p->reduced_dims[2], .step = p->kept_dims[2]};

        for (uint32_t c = 0; c < p->kept_dims[2]; c += ES_FOUR) {
            const uint32_t start = (uint32_t)p->start;
            uint32_t sums[ES_FOUR] = {start, start, start, start};

            add_pixels(&pixels, sums, c);
            for (uint32_t i = 0; i < ES_FOUR; i++) {
                *q++ = es_reduced(p, (int32_t)sums[i]);
            }
        }
    }
}

void es_reduce_sum(const es_reduce_params_t *p, const es_rows_t *in, const es_rows_t *out,
                   uint32_t *sums, uint32_t y0, uint32_t y1) {
    const uint32_t length = in->w * in->c, channels = out->w * out->c;
    int8_t *q = (int8_t *)es_row(out, 0);

    if (p->mode != ES_REDUCE_SUM || channels % ES_FOUR > 0 || length % channels > 0) {
        es_reduce_sum_any(p, in, out, sums, y0, y1);
        return;
    }
    const es_pixels_t pixels = {
        .in = in, .y = y0, .rows = y1 - y0, .columns = length / channels, .step = channels};

    for (uint32_t c = 0; c < channels; c += ES_FOUR) {
        for (uint32_t i = c; y0 == 0 && i < c + ES_FOUR; i++) {
            sums[i] = (uint32_t)p->start;
        }
        add_pixels(&pixels, sums + c, c);
        for (uint32_t i = c; y1 == in->h && i < c + ES_FOUR; i++) {
            q[i] = es_reduced(p, (int32_t)sums[i]);
        }
    }
}
