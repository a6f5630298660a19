/* What the convolutions of three pixels at a time share on all cores: the walk over the output, the
 * packing of what a tile of pixels reads, and the way from two words to three outputs.
 *
 * Pixels run on from row to row. All that a tile needs is packed before any of its pixels is
 * written, so that also a tile on two rows keeps to the rule for outputs over dead input rows. */
#ifndef ES_LANES_WALK_H
#define ES_LANES_WALK_H

#include "es_scale.h"
#include "es_taps.h"

#include <string.h>

#define ES_LANES_OUT_OF_LINE __attribute__((noinline))

/* Output channels of a block; its sums are in two words each. */
enum { ES_LANES_BLOCK = 4, ES_LANES_WORDS = 2 * ES_LANES_BLOCK };

/* acc[2i], acc[2i + 1] = sum over `taps` of tile[k][0], tile[k][1] * weights[k][i]: each variant
 * has its own. */
void es_lanes_dot(uint32_t acc[ES_LANES_WORDS], const uint32_t *tile, const int8_t *weights,
                  uint32_t taps);

typedef struct es_lanes_job {
    const es_conv_lanes_params_t *params;
    const int8_t *weights;
    const es_scale_t *scales;
    es_rows_t in, out;
    uint32_t row_taps, taps; /* of a kernel row, and of the window */
    uint32_t first, end;     /* columns of the output whose windows are plain bytes of each row */
    uint32_t *tile;
    int8_t *blank;                   /* a kernel row outside the image */
    int8_t *rows;                    /* a kernel row of each pixel that is not plain bytes */
    int8_t *out_at[ES_LANES_PIXELS]; /* where the pixels of the tile go */
} es_lanes_job_t;

/* A pixel of the output, by where its window lies in the input. */
typedef struct es_lanes_pixel {
    int32_t top;     /* the row where it begins */
    uint32_t at;     /* in every row of the image the byte of the first tap inside */
    int8_t *room;    /* where a kernel row of it is gathered; null: its taps are plain bytes */
    uint32_t before; /* bytes of a kernel row to the left of the image */
    uint32_t inside; /* bytes of a kernel row inside the image */
} es_lanes_pixel_t;

static inline void es_lanes_put(uint32_t *to, int32_t a, int32_t b, int32_t c) {
    to[0] = (uint32_t)a + ((uint32_t)b << 21);
    to[1] = (uint32_t)c + ((uint32_t)b << 10);
}

/* Packs `taps` neighbouring bytes of three pixels. */
static inline uint32_t *es_lanes_pack(uint32_t *to, const int8_t *const from[ES_LANES_PIXELS],
                                      uint32_t taps) {
    const int8_t *a = from[0], *b = from[1], *c = from[2];
    const uint32_t *end = to + 2 * taps, *fours = to + 2 * (taps & ~3u);

    while (to != fours) {
        es_lanes_put(to, a[0], b[0], c[0]);
        es_lanes_put(to + 2, a[1], b[1], c[1]);
        es_lanes_put(to + 4, a[2], b[2], c[2]);
        es_lanes_put(to + 6, a[3], b[3], c[3]);
        to += 8;
        a += 4;
        b += 4;
        c += 4;
    }
    while (to != end) {
        es_lanes_put(to, *a++, *b++, *c++);
        to += 2;
    }
    return to;
}

static inline void es_lanes_copy(int8_t *to, const int8_t *from, uint32_t bytes) {
    for (const int8_t *end = from + bytes; from != end;) {
        *to++ = *from++;
    }
}

/* A pixel whose windows lie beside the image or skip columns. What is beside the image is the same
 * in all kernel rows, and is written here, once. */
static ES_LANES_OUT_OF_LINE void es_lanes_prepare(const es_lanes_job_t *j, es_lanes_pixel_t *pixel,
                                                  int32_t left, int8_t *room) {
    const es_conv_lanes_params_t *p = j->params;
    const uint32_t c = j->in.c, dilation = p->dilation_w;
    const es_taps_t taps = es_taps(left, j->in.w, dilation, p->kernel_w);

    pixel->room = room;
    pixel->at = pixel->before = pixel->inside = 0;
    if (taps.end > taps.first) {
        pixel->at = ((uint32_t)left + taps.first * dilation) * c;
        pixel->before = taps.first * c;
        pixel->inside = (taps.end - taps.first) * c;
    }
    memset(room, p->pad, j->row_taps);
}

/* Gathers a kernel row of a prepared pixel. `row`: of the image. */
static ES_LANES_OUT_OF_LINE void es_lanes_gather(const es_lanes_job_t *j, const int8_t *row,
                                                 const es_lanes_pixel_t *pixel) {
    const uint32_t c = j->in.c, dilation = j->params->dilation_w, inside = pixel->inside;
    const int8_t *from = row + pixel->at;
    int8_t *to = pixel->room + pixel->before;

    if (dilation == 1) {
        es_lanes_copy(to, from, inside);
        return;
    }
    for (const int8_t *end = to + inside; to != end; to += c, from += dilation * c) {
        es_lanes_copy(to, from, c);
    }
}

/* A row of the image, or null outside of it. */
static inline const int8_t *es_lanes_row(const es_rows_t *in, uint32_t y) {
    if (y >= in->h) {
        return NULL;
    }
    return (const int8_t *)in->base + (y < in->depth ? y : y % in->depth) * in->row_bytes;
}

/* A kernel row of a pixel, as neighbouring bytes. `row`: of the image, or null outside of it. */
static inline const int8_t *es_lanes_bytes(const es_lanes_job_t *j, const int8_t *row,
                                           const es_lanes_pixel_t *pixel) {
    if (row == NULL) {
        return j->blank;
    }
    if (pixel->room == NULL) {
        return row + pixel->at;
    }
    es_lanes_gather(j, row, pixel);
    return pixel->room;
}

/* Packs the windows of three pixels. */
static inline void es_lanes_fill(const es_lanes_job_t *j,
                                 const es_lanes_pixel_t pixels[ES_LANES_PIXELS]) {
    const es_lanes_pixel_t *one = &pixels[0], *two = &pixels[1], *three = &pixels[2];
    const uint32_t dilation = j->params->dilation_h;
    uint32_t *to = j->tile;

    for (uint32_t k = 0, far = 0; k < j->params->kernel_h; k++, far += dilation) {
        const int8_t *row = es_lanes_row(&j->in, (uint32_t)one->top + far);
        const int8_t *from[ES_LANES_PIXELS];

        from[0] = es_lanes_bytes(j, row, one);
        if (two->top != one->top) {
            row = es_lanes_row(&j->in, (uint32_t)two->top + far);
        }
        from[1] = es_lanes_bytes(j, row, two);
        if (three->top != two->top) {
            row = es_lanes_row(&j->in, (uint32_t)three->top + far);
        }
        from[2] = es_lanes_bytes(j, row, three);
        to = es_lanes_pack(to, from, j->row_taps);
    }
}

/* Sums of the first, second and third pixel. */
typedef struct es_lanes_sums {
    uint32_t a, b, c;
} es_lanes_sums_t;

/* The sums in two words, added to others. Each is an int21; what the second has above 11 bits
 * stands in the other word. */
static inline es_lanes_sums_t es_lanes_add(es_lanes_sums_t s, const uint32_t words[2]) {
    const uint32_t a = (uint32_t)((int32_t)(words[0] << 11) >> 11), rest = words[0] - a;
    const uint32_t mixed = words[1] - (rest >> 11);
    const uint32_t c = (uint32_t)((int32_t)(mixed << 11) >> 11);
    const uint32_t b = (rest >> 21) + (uint32_t)((int32_t)(mixed - c) >> 10);

    return (es_lanes_sums_t){s.a + a, s.b + b, s.c + c};
}

/* Writes channels of a block from their sums, less what stands in the words of the last run. */
static inline void es_lanes_finish(const es_lanes_job_t *j, uint32_t n, uint32_t count,
                                   const es_lanes_sums_t *sums, const uint32_t *words) {
    const es_conv_lanes_params_t *p = j->params;
    const int32_t below = p->below, low = p->act_min, high = p->act_max;
    const es_scale_t *s = j->scales + n, *end = s + count;
    int8_t *a = j->out_at[0] + n, *b = j->out_at[1] + n, *c = j->out_at[2] + n;

    do {
        const uint32_t bias = (uint32_t)s->bias;
        es_lanes_sums_t sum = {bias, bias, bias};

        if (sums != NULL) {
            sum = (es_lanes_sums_t){bias + sums->a, bias + sums->b, bias + sums->c};
            sums++;
        }
        sum = es_lanes_add(sum, words);
        *a++ = es_scaled(sum.a, s, below, low, high);
        *b++ = es_scaled(sum.b, s, below, low, high);
        *c++ = es_scaled(sum.c, s, below, low, high);
        words += 2;
    } while (++s != end);
}

/* `count` channels from channel n on, whose window is more than a run. */
static ES_LANES_OUT_OF_LINE void es_lanes_long_block(const es_lanes_job_t *j, uint32_t n,
                                                     uint32_t count) {
    const uint32_t run = j->params->run, *tile = j->tile;
    const int8_t *weights = j->weights + n * j->taps;
    es_lanes_sums_t sums[ES_LANES_BLOCK] = {{0, 0, 0}};
    uint32_t words[ES_LANES_WORDS], left = j->taps;

    for (; left > run; left -= run) {
        es_lanes_dot(words, tile, weights, run);
        for (uint32_t i = 0; i < ES_LANES_BLOCK; i++) {
            sums[i] = es_lanes_add(sums[i], words + 2 * i);
        }
        tile += 2 * run;
        weights += ES_LANES_BLOCK * run;
    }
    es_lanes_dot(words, tile, weights, left);
    es_lanes_finish(j, n, count, sums, words);
}

static ES_LANES_OUT_OF_LINE void es_lanes_channels(const es_lanes_job_t *j) {
    const uint32_t c = j->out.c, taps = j->taps;
    const int8_t *weights = j->weights;

    for (uint32_t n = 0; n < c; n += ES_LANES_BLOCK, weights += ES_LANES_BLOCK * taps) {
        const uint32_t count = c - n < ES_LANES_BLOCK ? c - n : ES_LANES_BLOCK;
        uint32_t words[ES_LANES_WORDS];

        if (taps > j->params->run) {
            es_lanes_long_block(j, n, count);
        } else {
            es_lanes_dot(words, j->tile, weights, taps);
            es_lanes_finish(j, n, count, NULL, words);
        }
    }
}

/* The pixels of rows [y, y1). Where they do not fill the last tile, its last one is there again,
 * and is computed twice at one place. */
static inline void es_lanes_rows(es_lanes_job_t *j, uint32_t y, uint32_t y1) {
    const es_conv_lanes_params_t *p = j->params;
    uint32_t x = 0;

    while (y < y1) {
        es_lanes_pixel_t pixels[ES_LANES_PIXELS];

        for (uint32_t i = 0; i < ES_LANES_PIXELS; i++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;

            if (y == y1) {
                pixels[i] = pixels[i - 1];
                j->out_at[i] = j->out_at[i - 1];
                continue;
            }
            pixels[i].top = (int32_t)(y * p->stride_h) - p->pad_top;
            if (x >= j->first && x < j->end) {
                pixels[i].at = (uint32_t)left * j->in.c;
                pixels[i].room = NULL;
            } else {
                es_lanes_prepare(j, &pixels[i], left, j->rows + i * j->row_taps);
            }
            j->out_at[i] = (int8_t *)es_row(&j->out, y) + x * j->out.c;
            if (++x == j->out.w) {
                x = 0;
                y++;
            }
        }
        es_lanes_fill(j, pixels);
        es_lanes_channels(j);
    }
}

/* Which columns of the output read nothing beside the image and skip none of its columns. */
static inline void es_lanes_columns(es_lanes_job_t *j) {
    const es_conv_lanes_params_t *p = j->params;
    const uint32_t room = j->in.w + p->pad_left;

    if ((p->dilation_w == 1 || p->kernel_w == 1) && room >= p->kernel_w) {
        j->first = (p->pad_left + p->stride_w - 1u) / p->stride_w;
        j->end = (room - p->kernel_w) / p->stride_w + 1;
    }
}

/* es_conv_lanes() by the inner loop that is linked in. */
static inline void es_lanes_convolve(const es_conv_lanes_params_t *p, const int8_t *weights,
                                     const es_scale_t *scales, const es_rows_t *in,
                                     const es_rows_t *out, void *scratch, uint32_t y0,
                                     uint32_t y1) {
    const uint32_t row_taps = p->kernel_w * in->c, taps = p->kernel_h * row_taps;
    int8_t *rows = (int8_t *)scratch + ES_LANES_TAP_BYTES * taps;
    es_lanes_job_t job = {
        .params = p,
        .weights = weights,
        .scales = scales,
        .in = *in,
        .out = *out,
        .row_taps = row_taps,
        .taps = taps,
        .tile = scratch,
        .blank = rows,
        .rows = rows + row_taps,
    };

    if (!es_lanes_stay_inside(p, in->h, in->w, out->h, out->w)) {
        memset(job.blank, p->pad, row_taps);
    }
    es_lanes_columns(&job);
    es_lanes_rows(&job, y0, y1);
}

#endif
