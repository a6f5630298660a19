/* What the convolutions over channel pairs share on all cores: the walk over the output, three
 * pixels at a time, and the packing of what they read.
 *
 * A tile holds the windows of three output pixels, widened to 16 bits: for each four taps ("a
 * quad") taps 0 and 2 of each pixel, then taps 1 and 3 of each pixel, a word a pair. Its order of
 * taps is the weight stream's: all whole quads of the kernel's rows, row by row, then the one to
 * three taps that are left of each row, filled up to quads with anything.
 *
 * Pixels run on from row to row. All that a tile needs is packed before any of its pixels is
 * written, so that also a tile on two rows keeps to the rule for outputs over dead input rows. */
#ifndef ES_PAIRS_H
#define ES_PAIRS_H

#include "edgeserve.h"
#include "es_kernels.h"
#include "es_taps.h"

#include <string.h>

enum { ES_PAIRS_PIXELS = 3, ES_PAIRS_QUAD_WORDS = 2 * ES_PAIRS_PIXELS, ES_PAIRS_RECORD_WORDS = 7 };

/* One tile times the weights of some channel pairs. Assembly reads it: the order is fixed. */
typedef struct es_pairs_product {
    int8_t *out[ES_PAIRS_PIXELS]; /* where the first pair's results go, pixel by pixel */
    const int8_t *end;            /* of the pairs, in pixel 0 */
    const uint32_t *tile;
    uint32_t quads; /* at least one */
    const uint32_t *stream;
} es_pairs_product_t;

/* Writes the channels [out[0], end) of the first 1 to 3 pixels of a tile. At least one pair.
 * `negatives`: 0 where the output's least value is its zero point or above. */
void es_pairs_multiply(const es_pairs_product_t *product, uint32_t pixels, uint32_t negatives);

/* Widens 4 * quads bytes of each of three pixels, which lie `step` bytes apart. At least one quad.
 */
void es_pairs_pack(uint32_t *tile, const int8_t *from, uint32_t step, uint32_t quads);

/* The same of one pixel, whose first word `to` is. */
void es_pairs_pack_pixel(uint32_t *to, const int8_t *from, uint32_t quads);

/* How the taps of a window become quads. */
typedef struct es_pairs_shape {
    uint64_t run;      /* taps of a kernel row */
    uint64_t leftover; /* taps left over by all kernel rows of a pixel, filled up to quads */
    uint64_t quads;    /* of a whole window */
} es_pairs_shape_t;

static inline es_pairs_shape_t es_pairs_shape(uint32_t kernel_h, uint32_t kernel_w, uint32_t c) {
    const uint64_t run = (uint64_t)kernel_w * c;
    const uint64_t leftover = (run % 4 * kernel_h + 3) / 4 * 4;

    return (es_pairs_shape_t){run, leftover, run / 4 * kernel_h + leftover / 4};
}

typedef struct es_pairs_job {
    const es_conv_pairs_params_t *params;
    const es_rows_t *in, *out;
    uint32_t first, end; /* columns of the output whose windows are plain bytes of a row */
    uint32_t run, run_quads, run_left;
    uint32_t step; /* from one output pixel to the next, in bytes of an input row */
    uint32_t leftover;
    /* The scratch. */
    uint32_t *tile;
    int8_t *leftovers; /* of pixel 0, 1 and 2 */
    int8_t *padded;    /* a kernel row of which not all bytes are neighbours in the image */
    es_pairs_product_t product;
} es_pairs_job_t;

static inline void es_pairs_columns(es_pairs_job_t *j) {
    const es_conv_pairs_params_t *p = j->params;
    const uint32_t reach = (p->kernel_w - 1u) * p->dilation_w;
    const uint32_t room = j->in->w + p->pad_left;

    j->first = j->end = 0;
    if ((p->dilation_w == 1 || p->kernel_w == 1) && room > reach) {
        const uint32_t end = (room - reach - 1) / p->stride_w + 1;
        j->first = (p->pad_left + p->stride_w - 1u) / p->stride_w;
        j->end = end < j->out->w ? end : j->out->w;
    }
}

static inline void es_pairs_keep_left(int8_t *to, const int8_t *from, uint32_t count) {
    while (count-- > 0) {
        *to++ = *from++;
    }
}

/* The taps of one kernel row from input column `left` on: where they lie, or put together. */
static inline const int8_t *es_pairs_run(const es_pairs_job_t *j, int32_t y, int32_t left,
                                         int is_plain) {
    const es_conv_pairs_params_t *p = j->params;
    const es_rows_t *in = j->in;
    const int is_inside = (uint32_t)y < in->h;
    const int8_t *row = is_inside ? (const int8_t *)es_row(in, (uint32_t)y) : NULL;

    if (is_inside && is_plain) {
        return row + (uint32_t)left * in->c;
    }
    memset(j->padded, p->pad, j->run);
    if (is_inside) {
        const es_taps_t taps = es_taps(left, in->w, p->dilation_w, p->kernel_w);
        const uint32_t together = p->dilation_w == 1 ? p->kernel_w : 1;

        for (uint32_t k = taps.first; k < taps.end; k += together) {
            const uint32_t x = (uint32_t)left + k * p->dilation_w;
            const uint32_t count = together < taps.end - k ? together : taps.end - k;
            memcpy(j->padded + k * in->c, row + x * in->c, count * in->c);
        }
    }
    return j->padded;
}

/* Packs the window of pixel (y, x) of the output as pixel i of the tile. */
static inline void es_pairs_pack_window(const es_pairs_job_t *j, uint32_t y, uint32_t x,
                                        uint32_t i) {
    const es_conv_pairs_params_t *p = j->params;
    const int32_t left = (int32_t)(x * p->stride_w - p->pad_left);
    const int is_plain = x >= j->first && x < j->end;
    int32_t top = (int32_t)(y * p->stride_h - p->pad_top);
    uint32_t *to = j->tile + i;
    int8_t *const leftovers = j->leftovers + i * j->leftover;
    int8_t *left_over = leftovers;

    for (uint32_t k = 0; k < p->kernel_h; k++, top += p->dilation_h) {
        const int8_t *from = es_pairs_run(j, top, left, is_plain);

        if (j->run_quads > 0) {
            es_pairs_pack_pixel(to, from, j->run_quads);
            to += j->run_quads * ES_PAIRS_QUAD_WORDS;
        }
        es_pairs_keep_left(left_over, from + 4 * j->run_quads, j->run_left);
        left_over += j->run_left;
    }
    if (j->leftover > 0) {
        es_pairs_pack_pixel(to, leftovers, j->leftover / 4);
    }
}

/* Packs the windows of pixels (y, x) to (y, x + 2), all of them plain bytes of the rows. */
static inline void es_pairs_pack_plain(const es_pairs_job_t *j, uint32_t y, uint32_t x) {
    const es_conv_pairs_params_t *p = j->params;
    const int32_t left = (int32_t)(x * p->stride_w - p->pad_left);
    int32_t top = (int32_t)(y * p->stride_h - p->pad_top);
    uint32_t *to = j->tile;
    int8_t *left_over = j->leftovers;

    for (uint32_t k = 0; k < p->kernel_h; k++, top += p->dilation_h) {
        const int8_t *from = es_pairs_run(j, top, left, 1);
        /* What lies outside the image is the same for all three. */
        const uint32_t step = (uint32_t)top < j->in->h ? j->step : 0;

        if (j->run_quads > 0) {
            es_pairs_pack(to, from, step, j->run_quads);
            to += j->run_quads * ES_PAIRS_QUAD_WORDS;
        }
        if (j->run_left > 0) {
            from += 4 * j->run_quads;
            for (uint32_t i = 0; i < ES_PAIRS_PIXELS; i++, from += step) {
                es_pairs_keep_left(left_over + i * j->leftover, from, j->run_left);
            }
            left_over += j->run_left;
        }
    }
    if (j->leftover > 0) {
        es_pairs_pack(to, j->leftovers, j->leftover, j->leftover / 4);
    }
}

static inline void es_pairs_clamp(int8_t *q, uint32_t count, int32_t low, int32_t high) {
    for (int8_t *end = q + count; q != end; q++) {
        *q = (int8_t)es_clamp(*q, low, high);
    }
}

/* All channels of the tile's pixels, whose places the product holds. */
static inline void es_pairs_finish(es_pairs_job_t *j, uint32_t pixels) {
    const es_conv_pairs_params_t *p = j->params;
    const uint32_t c = j->out->c, even = c & ~1u;
    es_pairs_product_t *product = &j->product;

    product->end = product->out[0] + even;
    if (even > 0) {
        es_pairs_multiply(product, pixels, p->negatives);
    }
    if (c != even) {
        /* The last pair has one channel. */
        const uint32_t words = ES_PAIRS_RECORD_WORDS + 2 * product->quads;
        int8_t pair[ES_PAIRS_PIXELS][2];
        es_pairs_product_t last = {.out = {pair[0], pair[1], pair[2]},
                                   .end = pair[0] + 2,
                                   .tile = product->tile,
                                   .quads = product->quads,
                                   .stream = product->stream + even / 2 * words};
        es_pairs_multiply(&last, pixels, p->negatives);
        for (uint32_t i = 0; i < pixels; i++) {
            product->out[i][even] = pair[i][0];
        }
    }
    if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
        for (uint32_t i = 0; i < pixels; i++) {
            es_pairs_clamp(product->out[i], c, p->act_min, p->act_max);
        }
    }
}

static inline void es_pairs_rows(es_pairs_job_t *j, uint32_t y, uint32_t y1) {
    const uint32_t w = j->out->w, c = j->out->c;
    int8_t **out = j->product.out;
    uint32_t x = 0;

    while (y < y1) {
        uint32_t pixels = 0;

        if (x >= j->first && x + ES_PAIRS_PIXELS <= j->end) {
            int8_t *q = (int8_t *)es_row(j->out, y) + x * c;

            es_pairs_pack_plain(j, y, x);
            for (; pixels < ES_PAIRS_PIXELS; pixels++, q += c) {
                out[pixels] = q;
            }
            x += ES_PAIRS_PIXELS;
        } else {
            do {
                es_pairs_pack_window(j, y, x, pixels);
                out[pixels] = (int8_t *)es_row(j->out, y) + x * c;
                if (++x == w) {
                    x = 0;
                    y++;
                }
            } while (++pixels < ES_PAIRS_PIXELS && y < y1);
        }
        if (x == w) {
            x = 0;
            y++;
        }
        es_pairs_finish(j, pixels);
    }
}

static inline void es_pairs_convolve(const es_conv_pairs_params_t *p, const uint32_t *stream,
                                     const es_rows_t *in, const es_rows_t *out, void *scratch,
                                     uint32_t y0, uint32_t y1) {
    const es_pairs_shape_t shape = es_pairs_shape(p->kernel_h, p->kernel_w, in->c);
    const uint32_t quads = (uint32_t)shape.quads, leftover = (uint32_t)shape.leftover;
    uint32_t *tile = scratch;
    int8_t *leftovers = (int8_t *)(tile + quads * ES_PAIRS_QUAD_WORDS);
    es_pairs_job_t job = {
        .params = p,
        .in = in,
        .out = out,
        .run = (uint32_t)shape.run,
        .run_quads = (uint32_t)shape.run / 4,
        .run_left = (uint32_t)shape.run % 4,
        .step = p->stride_w * in->c,
        .leftover = leftover,
        .tile = tile,
        .leftovers = leftovers,
        .padded = leftovers + ES_PAIRS_PIXELS * leftover,
        .product = {.tile = tile, .quads = quads, .stream = stream},
    };

    es_pairs_columns(&job);
    es_pairs_rows(&job, y0, y1);
}

#endif
