/* What the convolutions over channel pairs share on all cores: the walk over the output, a tile at
 * a time, and the packing of what they read.
 *
 * Pixels run on from row to row. All that a tile needs is packed before any of its pixels is
 * written, so that also a tile on two rows keeps to the rule for outputs over dead input rows. */
#ifndef ES_PAIRS_WALK_H
#define ES_PAIRS_WALK_H

#include "es_pairs.h"
#include "es_taps.h"

#include <string.h>

#define ES_PAIRS_OUT_OF_LINE __attribute__((noinline))

typedef struct es_pairs_job {
    const es_conv_pairs_params_t *params;
    es_rows_t in, out;
    uint32_t first, end; /* columns of the output whose windows are plain bytes of each row */
    uint32_t run, row_quads, row_left; /* taps of a kernel row */
    uint32_t pixels;                   /* of a tile */
    uint32_t step;     /* from one output pixel to the next, in bytes of an input row */
    uint32_t even;     /* channels in whole pairs */
    int is_incomplete; /* without es_pairs_complete() */
    /* The scratch. */
    uint32_t *tile, *leftovers;
    int8_t *padded; /* a kernel row of which not all bytes are neighbours in the image */
    es_pairs_product_t product;
} es_pairs_job_t;

/* Which columns of the output read nothing beside the image, of which they see `reach` columns, and
 * skip none of these. */
static inline void es_pairs_columns(es_pairs_job_t *j, uint32_t reach) {
    const es_conv_pairs_params_t *p = j->params;
    const uint32_t room = j->in.w + p->pad_left;

    j->first = j->end = 0;
    if ((p->dilation_w == 1 || p->kernel_w == 1) && room >= reach) {
        const uint32_t end = (room - reach) / p->stride_w + 1;
        j->first = (p->pad_left + p->stride_w - 1u) / p->stride_w;
        j->end = end < j->out.w ? end : j->out.w;
    }
}

/* The kernel rows from row k on that lie evenly apart, in columns from 0 on; `from` is null where
 * they lie outside the image. `y` is the image's row of row k. */
static ES_PAIRS_OUT_OF_LINE es_pairs_band_t es_pairs_band(const es_pairs_job_t *j, int32_t y,
                                                          uint32_t k) {
    const es_rows_t *in = &j->in;
    const uint32_t dilation = j->params->dilation_h, left = j->params->kernel_h - k;
    es_pairs_band_t band = {.quads = j->row_quads, .rows = left};
    uint32_t room = left * dilation;

    if (y < 0) {
        room = (uint32_t)-y;
    } else if ((uint32_t)y < in->h) {
        const uint32_t row = (uint32_t)y < in->depth ? (uint32_t)y : (uint32_t)y % in->depth;

        room = in->h - (uint32_t)y < in->depth - row ? in->h - (uint32_t)y : in->depth - row;
        band.from = (const int8_t *)in->base + row * in->row_bytes;
        band.row_step = dilation * in->row_bytes;
    }
    if (room < left * dilation) {
        band.rows = (room + dilation - 1) / dilation;
    }
    return band;
}

/* Where the next band of a tile goes: its quads, and what they leave of each row. */
typedef struct es_pairs_place {
    uint32_t *quads;
    uint8_t *half; /* of a word */
} es_pairs_place_t;

static inline void es_pairs_put_half(uint8_t *half, int16_t tap) {
    memcpy(half, &tap, sizeof tap);
}

/* Widens what the quads leave of a band's rows, of one pixel or of three that lie `step` bytes
 * apart. Two taps share a word; the words of a pixel lie `pixels` words of a tile apart. */
static ES_PAIRS_OUT_OF_LINE uint8_t *es_pairs_pack_leftovers(uint8_t *half,
                                                             const es_pairs_band_t *band,
                                                             uint32_t count, uint32_t pixels,
                                                             uint32_t apart, uint32_t step) {
    const uint32_t word = sizeof(uint32_t);
    const int8_t *row = band->from + 4 * band->quads;

    for (uint32_t rows = band->rows; rows > 0; rows--, row += band->row_step) {
        for (const int8_t *from = row; from != row + count; from++) {
            es_pairs_put_half(half, *from);
            if (pixels > 1) {
                es_pairs_put_half(half + word, from[step]);
                es_pairs_put_half(half + 2 * word, from[2 * step]);
            }
            half += word / 2;
            if ((uintptr_t)half % word == 0) {
                half += apart - word;
            }
        }
    }
    return half;
}

/* Packs a band of one pixel. */
static inline void es_pairs_put(const es_pairs_job_t *j, es_pairs_place_t *to,
                                const es_pairs_band_t *band) {
    if (band->quads > 0) {
        es_pairs_pack_pixel(to->quads, band, j->pixels * sizeof(uint32_t));
        to->quads += es_pairs_tile_words(band->rows * band->quads, j->pixels);
    }
    if (j->row_left > 0) {
        to->half = es_pairs_pack_leftovers(to->half, band, j->row_left, 1,
                                           j->pixels * sizeof(uint32_t), 0);
    }
}

/* Few bytes: a call of memcpy() would take longer. */
static inline void es_pairs_copy(int8_t *to, const int8_t *from, uint32_t bytes) {
    uint32_t word;

    for (; bytes >= sizeof word; bytes -= sizeof word, from += sizeof word, to += sizeof word) {
        memcpy(&word, from, sizeof word);
        memcpy(to, &word, sizeof word);
    }
    for (; bytes > 0; bytes--) {
        *to++ = *from++;
    }
}

/* Packs a band in the image row by row, with what lies beside the image; input column `left` is
 * the window's first. */
static ES_PAIRS_OUT_OF_LINE void es_pairs_put_padded(const es_pairs_job_t *j, es_pairs_place_t *to,
                                                     const es_pairs_band_t *band, int32_t left) {
    const es_conv_pairs_params_t *p = j->params;
    const es_taps_t taps = es_taps(left, j->in.w, p->dilation_w, p->kernel_w);
    const uint32_t c = j->in.c, dx = p->dilation_w * c;
    const uint32_t together =
        p->dilation_w == 1 && taps.end > taps.first ? taps.end - taps.first : 1;
    const es_pairs_band_t padded = {j->padded, band->quads, 1, 0};
    const int8_t *row = band->from;

    for (uint32_t rows = band->rows; rows > 0; rows--, row += band->row_step) {
        uint32_t x = (uint32_t)left * c + taps.first * dx;

        for (uint32_t k = taps.first; k < taps.end; k += together, x += dx) {
            es_pairs_copy(j->padded + k * c, row + x, together * c);
        }
        es_pairs_put(j, to, &padded);
    }
}

/* Packs the window of pixel (y, x) of the output as pixel i of the tile. */
static ES_PAIRS_OUT_OF_LINE void es_pairs_pack_window(const es_pairs_job_t *j, uint32_t y,
                                                      uint32_t x, uint32_t i) {
    const es_conv_pairs_params_t *p = j->params;
    const int32_t left = (int32_t)(x * p->stride_w - p->pad_left);
    const int32_t top = (int32_t)(y * p->stride_h - p->pad_top);
    const int is_plain = x >= j->first && x < j->end;
    es_pairs_place_t to = {j->tile + i, (uint8_t *)(j->leftovers + i)};

    for (uint32_t k = 0; k < p->kernel_h;) {
        es_pairs_band_t band = es_pairs_band(j, top + (int32_t)(k * p->dilation_h), k);

        k += band.rows;
        if (band.from != NULL && is_plain) {
            band.from += (uint32_t)left * j->in.c;
            es_pairs_put(j, &to, &band);
            continue;
        }
        memset(j->padded, p->pad, j->run);
        if (band.from != NULL) {
            es_pairs_put_padded(j, &to, &band, left);
        } else {
            band.from = j->padded;
            es_pairs_put(j, &to, &band);
        }
    }
}

/* Packs a band of three pixels, which lie `step` bytes apart. */
static inline void es_pairs_put_three(const es_pairs_job_t *j, es_pairs_place_t *to,
                                      const es_pairs_band_t *band, uint32_t step) {
    if (band->quads > 0) {
        es_pairs_pack(to->quads, band, step);
        to->quads += es_pairs_tile_words(band->rows * band->quads, ES_PAIRS_PIXELS);
    }
    if (j->row_left > 0) {
        to->half = es_pairs_pack_leftovers(to->half, band, j->row_left, ES_PAIRS_PIXELS,
                                           ES_PAIRS_PIXELS * sizeof(uint32_t), step);
    }
}

/* Packs the windows of three pixels, all of them plain bytes of the rows, `offset` bytes from their
 * starts. `band` is the windows' first and begins at the image's row `top`. */
static ES_PAIRS_OUT_OF_LINE void es_pairs_pack_plain(const es_pairs_job_t *j, es_pairs_band_t band,
                                                     int32_t top, uint32_t offset) {
    const es_conv_pairs_params_t *p = j->params;
    es_pairs_place_t to = {j->tile, (uint8_t *)j->leftovers};
    uint32_t step = j->step;

    for (uint32_t k = band.rows;; k += band.rows) {
        if (band.from != NULL) {
            band.from += offset;
        } else {
            /* What lies outside the image is the same for all three. */
            memset(j->padded, p->pad, j->run);
            band.from = j->padded;
            step = 0;
        }
        es_pairs_put_three(j, &to, &band, step);
        if (k == p->kernel_h) {
            break;
        }
        step = j->step;
        band = es_pairs_band(j, top + (int32_t)(k * p->dilation_h), k);
    }
}

static inline void es_pairs_clamp(int8_t *q, uint32_t count, int32_t low, int32_t high) {
    for (int8_t *end = q + count; q != end; q++) {
        *q = (int8_t)es_clamp(*q, low, high);
    }
}

/* The pairs of a product; all pixels of a tile of two. */
static inline void es_pairs_multiply_tile(const es_pairs_job_t *j,
                                          const es_pairs_product_t *product, uint32_t pixels) {
    if (j->pixels == ES_PAIRS_PIXELS) {
        es_pairs_multiply(product, pixels, j->params->negatives);
    } else {
        es_pairs_multiply_two(product, j->params->negatives);
    }
}

/* The channel of a last pair that has one. */
static inline void es_pairs_multiply_last(const es_pairs_job_t *j, uint32_t pixels) {
    const es_pairs_product_t *product = &j->product;
    const uint32_t even = j->even;
    const uint32_t words = ES_PAIRS_RECORD_WORDS + 2 * product->quads;
    int8_t pair[ES_PAIRS_PIXELS][2];
    const es_pairs_product_t last = {.out = {pair[0], pair[1], pair[2]},
                                     .end = pair[0] + 2,
                                     .tile = product->tile,
                                     .quads = product->quads,
                                     .stream = product->stream + even / 2 * words};

    es_pairs_multiply_tile(j, &last, pixels);
    for (uint32_t i = 0; i < pixels; i++) {
        product->out[i][even] = pair[i][0];
    }
}

/* What few layers need: the channel of an odd count, and a clamp that is not int8's own. */
static ES_PAIRS_OUT_OF_LINE void es_pairs_complete(const es_pairs_job_t *j, uint32_t pixels) {
    const es_conv_pairs_params_t *p = j->params;
    const es_pairs_product_t *product = &j->product;
    const uint32_t c = j->out.c;

    if (c != j->even) {
        es_pairs_multiply_last(j, pixels);
    }
    for (uint32_t i = 0; i < pixels; i++) {
        es_pairs_clamp(product->out[i], c, p->act_min, p->act_max);
    }
}

/* All channels of the tile's pixels, whose places the product holds. */
static inline void es_pairs_finish(es_pairs_job_t *j, uint32_t pixels) {
    if (j->even > 0) {
        j->product.end = j->product.out[0] + j->even;
        es_pairs_multiply_tile(j, &j->product, pixels);
    }
    if (j->is_incomplete) {
        es_pairs_complete(j, pixels);
    }
}

/* The tiles from pixel (y, x) on that are plain; returns the column behind them. */
static inline uint32_t es_pairs_plain_tiles(es_pairs_job_t *j, uint32_t y, uint32_t x) {
    const es_conv_pairs_params_t *p = j->params;
    const int32_t top = (int32_t)(y * p->stride_h - p->pad_top);
    const es_pairs_band_t first = es_pairs_band(j, top, 0);
    const int is_one_band = first.from != NULL && first.rows == p->kernel_h;
    const uint32_t c = j->out.c;
    uint32_t offset = (x * p->stride_w - p->pad_left) * j->in.c;
    int8_t *q = (int8_t *)es_row(&j->out, y) + x * c;
    es_pairs_band_t band = first;

    for (; x + ES_PAIRS_PIXELS <= j->end; x += ES_PAIRS_PIXELS) {
        if (is_one_band) {
            es_pairs_place_t to = {j->tile, (uint8_t *)j->leftovers};
            band.from = first.from + offset;
            es_pairs_put_three(j, &to, &band, j->step);
        } else {
            es_pairs_pack_plain(j, first, top, offset);
        }
        offset += ES_PAIRS_PIXELS * j->step;
        j->product.out[0] = q;
        j->product.out[1] = q += c;
        j->product.out[2] = q += c;
        q += c;
        es_pairs_finish(j, ES_PAIRS_PIXELS);
    }
    return x;
}

/* Packs pixel (y, x) as pixel i of the tile, and notes where its results go. */
static inline void es_pairs_take(es_pairs_job_t *j, uint32_t y, uint32_t x, uint32_t i) {
    es_pairs_pack_window(j, y, x, i);
    j->product.out[i] = (int8_t *)es_row(&j->out, y) + x * j->out.c;
}

/* The pixels of rows [y, y1): plain tiles, and between them tiles of what is left of rows. A pixel
 * that is left of a tile of two is computed twice, at one place. */
static inline void es_pairs_rows(es_pairs_job_t *j, uint32_t y, uint32_t y1) {
    const uint32_t w = j->out.w;
    const int is_wide = j->pixels == ES_PAIRS_PIXELS;
    uint32_t x = 0;

    while (y < y1) {
        uint32_t pixels = 0;

        if (is_wide && x >= j->first && x + ES_PAIRS_PIXELS <= j->end) {
            x = es_pairs_plain_tiles(j, y, x);
        }
        while (pixels < j->pixels && y < y1) {
            if (x < w) {
                es_pairs_take(j, y, x++, pixels++);
            } else {
                x = 0;
                y++;
            }
        }
        if (!is_wide && pixels == 1) {
            es_pairs_take(j, y1 - 1, w - 1, pixels++);
        }
        if (pixels > 0) {
            es_pairs_finish(j, pixels);
        }
    }
}

/* True when rows [y0, y1) lie one behind the other. */
static inline int es_pairs_is_dense(const es_rows_t *rows, uint32_t y0, uint32_t y1) {
    return rows->row_bytes == rows->w * rows->c && y0 % rows->depth + (y1 - y0) <= rows->depth;
}

/* Where no row needs another than its own and pixels follow pixels, all rows are one. */
static inline void es_pairs_join_rows(const es_conv_pairs_params_t *p, es_rows_t *in,
                                      es_rows_t *out, uint32_t *y0, uint32_t *y1) {
    if (p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1 &&
        p->pad_top == 0 && p->pad_left == 0 && in->w == out->w && *y1 <= in->h &&
        es_pairs_is_dense(in, *y0, *y1) && es_pairs_is_dense(out, *y0, *y1)) {
        in->base = es_row(in, *y0);
        out->base = es_row(out, *y0);
        in->w = out->w = (*y1 - *y0) * out->w;
        in->h = out->h = in->depth = out->depth = 1;
        *y0 = 0;
        *y1 = 1;
    }
}

/* es_conv_pairs() by the inner loops that are linked in. */
static inline void es_pairs_convolve(const es_conv_pairs_params_t *p, const uint32_t *stream,
                                     const es_rows_t *in, const es_rows_t *out, void *scratch,
                                     uint32_t y0, uint32_t y1) {
    const es_pairs_shape_t shape = es_pairs_shape(p->kernel_h, p->kernel_w, in->c);
    const uint32_t quads = shape.quads;
    uint32_t *tile = scratch;
    es_pairs_job_t job = {
        .params = p,
        .in = *in,
        .out = *out,
        .run = shape.run,
        .row_quads = shape.row_quads,
        .row_left = shape.row_left,
        .pixels = p->tile_pixels,
        .step = p->stride_w * in->c,
        .even = out->c & ~1u,
        .is_incomplete = out->c % 2 != 0 || p->act_min > INT8_MIN || p->act_max < INT8_MAX,
        .tile = tile,
        .leftovers = tile + es_pairs_tile_words(shape.row_quads * p->kernel_h, p->tile_pixels),
        .padded = (int8_t *)(tile + es_pairs_tile_words(quads, p->tile_pixels)),
        .product = {.tile = tile, .quads = quads, .stream = stream},
    };

    es_pairs_join_rows(p, &job.in, &job.out, &y0, &y1);
    es_pairs_columns(&job, es_pairs_row_pixels(&shape, in->c));
    es_pairs_rows(&job, y0, y1);
}

#endif
