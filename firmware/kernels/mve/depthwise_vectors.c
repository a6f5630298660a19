/* DEPTHWISE_CONV_2D by vectors, for cores with MVE. The inner loops are in depthwise_vectors.S,
 * their C twin is ../ref/depthwise_vectors.c.
 *
 * For sixteen channels at a time the columns that some output pixels see are set out in the
 * scratch with their padding: of each channel four rows side by side. Four columns are one vector,
 * that is a window, or those of two pixels of two rows. */
#include "es_depthwise_vectors.h"
#include "es_taps.h"

#include <string.h>

/* Neighbouring output pixels, and the columns that they see: from input column `left` on. */
typedef struct tile {
    uint32_t x, pixels;
    int32_t left;
    es_taps_t inside; /* columns of the image among them */
} tile_t;

typedef struct walk {
    const es_depthwise_vectors_params_t *params;
    const es_depthwise_channel_t *stream;
    const es_rows_t *in, *out;
    int8_t *columns;
    int8_t *aside;          /* an input row that is overwritten while it is needed, or null */
    int8_t pads[ES_VECTOR]; /* a column of a row outside the image */
    tile_t tile;
} walk_t;

/* Stores `pad` into columns [from, to). */
static void pad_columns(const walk_t *walk, uint32_t from, uint32_t to) {
    if (from < to) {
        memset(walk->columns + from * ES_DEPTHWISE_COLUMN_BYTES, walk->params->pad,
               (to - from) * ES_DEPTHWISE_COLUMN_BYTES);
    }
}

/* Moves to the tile of the output pixels from x on, and pads its columns outside the image. */
static void set_tile(walk_t *walk, uint32_t x) {
    const es_depthwise_vectors_params_t *p = walk->params;
    tile_t *t = &walk->tile;

    if (t->pixels > 0 && x == t->x) {
        return;
    }
    t->x = x;
    t->pixels = p->tile_w < walk->out->w - x ? p->tile_w : walk->out->w - x;
    t->left = (int32_t)(x * p->stride_w) - p->pad_left;
    const uint32_t columns = (t->pixels - 1) * p->stride_w + p->kernel_w;
    t->inside = es_taps(t->left, walk->in->w, 1, columns);
    if (t->inside.end < t->inside.first) {
        t->inside.end = t->inside.first;
    }
    pad_columns(walk, 0, t->inside.first);
    pad_columns(walk, t->inside.end, columns);
}

/* The rows that output row y sees, or two from it on; null where outside the image. */
typedef struct seen {
    const int8_t *rows[ES_DEPTHWISE_SIDE];
} seen_t;

static void find_rows(const walk_t *walk, uint32_t y, uint32_t count, seen_t *seen) {
    const es_depthwise_vectors_params_t *p = walk->params;

    for (uint32_t k = 0; k < ES_DEPTHWISE_SIDE; k++) {
        const uint32_t row = y * p->stride_h + k * p->dilation_h - p->pad_top;
        const int is_inside = k < count && row < walk->in->h;

        seen->rows[k] = is_inside ? (const int8_t *)es_row(walk->in, row) : NULL;
    }
}

/* The columns of channels [c, c + count) that are inside the image. */
static void pack(const walk_t *walk, const seen_t *seen, uint32_t c, uint32_t count) {
    const tile_t *t = &walk->tile;
    const uint32_t first = ((uint32_t)t->left + t->inside.first) * walk->in->c + c;
    es_depthwise_packing_t packing = {
        .to = walk->columns + t->inside.first * ES_DEPTHWISE_COLUMN_BYTES,
        .columns = t->inside.end - t->inside.first,
        .channels = count,
    };

    if (packing.columns == 0) {
        return;
    }
    for (uint32_t k = 0; k < ES_DEPTHWISE_SIDE; k++) {
        packing.rows[k] = seen->rows[k] ? seen->rows[k] + first : walk->pads;
        packing.steps[k] = seen->rows[k] ? walk->in->c : 0;
    }
    es_depthwise_pack(&packing);
}

static void multiply(const es_depthwise_vectors_params_t *p, uint32_t rows,
                     const es_depthwise_product_t *product) {
    if (p->stride_w == 2 && p->negatives) {
        es_depthwise_any_by_one(product);
    } else if (p->stride_w == 2) {
        es_depthwise_relu_by_one(product);
    } else if (rows == 1) {
        es_depthwise_last_by_two(product);
    } else if (p->negatives) {
        es_depthwise_any_by_two(product);
    } else {
        es_depthwise_relu_by_two(product);
    }
}

/* A tile of output rows [y, y + rows). */
static void tile(const walk_t *walk, uint32_t y, uint32_t rows, const seen_t *seen) {
    const es_rows_t *out = walk->out;
    const tile_t *t = &walk->tile;
    const uint32_t c = out->c, at_once = walk->params->stride_w == 1 ? 2 : 4;
    int8_t *const q = (int8_t *)es_row(out, y) + t->x * c;
    const uint32_t down = (uint32_t)(es_row(out, y + rows - 1) - es_row(out, y));
    const uint32_t left = t->pixels % at_once;
    es_depthwise_product_t product = {
        .passes = t->pixels / at_once,
        .left = left,
        .mask = 0x00FF,
        .mask_left = at_once == 4 ? (1u << 4 * left) - 1
                     : rows == 2  ? 0x0F0F
                                  : 0x000F,
        .stream = walk->stream,
        .out = q,
        .step = at_once * c,
        .offsets = {0, c, at_once == 4 ? 2 * c : down, at_once == 4 ? 3 * c : down + c},
    };

    for (uint32_t i = 0; i < ES_VECTOR / 4; i++) {
        /* A vector of addresses moves on before it is read. */
        product.columns[i] = walk->columns + i * ES_DEPTHWISE_COLUMN_BYTES - 128;
    }
    for (uint32_t first = 0; first < c; first += ES_VECTOR) {
        const uint32_t count = c - first < ES_VECTOR ? c - first : ES_VECTOR;

        pack(walk, seen, first, count);
        product.channel_bytes = ES_DEPTHWISE_SIDE * count;
        multiply(walk->params, rows, &product);
        product.stream += count;
        product.out += count;
    }
}

static void set_aside(const walk_t *walk, seen_t *seen) {
    if (walk->aside && seen->rows[0]) {
        memcpy(walk->aside, seen->rows[0], walk->in->w * walk->in->c);
        seen->rows[0] = walk->aside;
    }
}

/* Results are int8; the rest of the clamp. */
static void clamp_rows(const walk_t *walk, uint32_t y, uint32_t rows) {
    const es_depthwise_vectors_params_t *p = walk->params;

    for (; rows > 0; rows--, y++) {
        int8_t *q = (int8_t *)es_row(walk->out, y);

        __asm volatile("vdup.8 q1, %[low]\n"
                       "vdup.8 q2, %[high]\n"
                       "dlstp.8 lr, %[bytes]\n"
                       "1: vldrb.8 q0, [%[q]]\n"
                       "vmax.s8 q0, q0, q1\n"
                       "vmin.s8 q0, q0, q2\n"
                       "vstrb.8 q0, [%[q]], #16\n"
                       "letp lr, 1b\n"
                       : [q] "+r"(q)
                       : [low] "r"(p->act_min), [high] "r"(p->act_max),
                         [bytes] "r"(walk->out->w * walk->out->c)
                       : "lr", "d0", "d1", "d2", "d3", "d4", "d5", "memory");
    }
}

void es_depthwise_vectors(const es_depthwise_vectors_params_t *p,
                          const es_depthwise_channel_t *stream, const es_rows_t *in,
                          const es_rows_t *out, void *scratch, uint32_t y0, uint32_t y1) {
    const uint32_t columns = (uint32_t)es_depthwise_vectors_columns(p, out->w);
    walk_t walk = {
        .params = p,
        .stream = stream,
        .in = in,
        .out = out,
        .columns = scratch,
        .aside = p->sets_aside ? (int8_t *)scratch + columns * ES_DEPTHWISE_COLUMN_BYTES : NULL,
    };
    uint32_t rows = p->stride_w == 1 ? 2 : 1;

    memset(walk.pads, p->pad, sizeof walk.pads);
    for (uint32_t y = y0; y < y1; y += rows) {
        seen_t seen;

        rows = rows < y1 - y ? rows : y1 - y;
        find_rows(&walk, y, p->kernel_h + rows - 1u, &seen);
        if (rows == 2) {
            set_aside(&walk, &seen);
        }
        for (uint32_t x = 0; x < out->w; x += walk.tile.pixels) {
            set_tile(&walk, x);
            tile(&walk, y, rows, &seen);
        }
        if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
            clamp_rows(&walk, y, rows);
        }
    }
}
