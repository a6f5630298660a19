/* What the convolutions by Winograd's method share on all cores: the walk over the output, by
 * blocks of two tiles side by side. Each core may have inner loops of its own. */
#ifndef ES_WINOGRAD_H
#define ES_WINOGRAD_H

#include "es_kernels.h"

enum {
    ES_WINOGRAD_ROWS = 2, /* of a block's outputs */
    ES_WINOGRAD_COLUMNS = 4,
    ES_WINOGRAD_SEEN_ROWS = 4, /* of the inputs that it sees */
    ES_WINOGRAD_SEEN_COLUMNS = 6,
    ES_WINOGRAD_ELEMENTS = 16, /* of a tile */
    ES_WINOGRAD_LANES = 4,     /* two tiles by two output channels */
};

/* Two tiles. Assembly reads it: the order is fixed. */
typedef struct es_winograd_block {
    const int8_t *seen[ES_WINOGRAD_SEEN_COLUMNS][ES_WINOGRAD_SEEN_ROWS]; /* pixels of c channels */
    /* Where results go: of the lower row, then of the upper one, columns 0, 2, 1, 3. They are
     * written from the last column to the first: what is not in the image takes the place of the
     * first in its row, and a row that is not there that of the upper one. */
    int8_t *out[ES_WINOGRAD_ROWS][ES_WINOGRAD_COLUMNS];
    /* [element][c / 4][words of channels 0 and 2, of 1 and 3][tile]: the elements by columns, both
     * in the stream's order. */
    uint32_t *spread;
    uint32_t *sums; /* ES_WINOGRAD_SUMS_BYTES */
    const uint32_t *stream;
    uint32_t quads; /* c / 4 */
    uint32_t pairs; /* of output channels */
} es_winograd_block_t;

/* Transforms what a block sees. */
void es_winograd_spread(const es_winograd_block_t *block);

/* Writes all output channels of a block. `negatives`: 0 where the output's least value is its zero
 * point or above. */
void es_winograd_multiply(es_winograd_block_t *block, uint32_t negatives);

typedef struct es_winograd_job {
    const es_conv_winograd_params_t *params;
    const int8_t *pads;
    const es_rows_t *in, *out;
    es_winograd_block_t block;
} es_winograd_job_t;

/* Finds what a block sees from column `x` of the input on, in rows of which those outside the image
 * are null. */
static inline void es_winograd_see(es_winograd_job_t *j, const int8_t *const rows[], uint32_t x) {
    const uint32_t c = j->in->c, w = j->in->w;
    const int is_inside = x < w && w - x >= ES_WINOGRAD_SEEN_COLUMNS;

    for (uint32_t k = 0; k < ES_WINOGRAD_SEEN_ROWS; k++) {
        const int8_t **to = &j->block.seen[0][k];
        const int8_t *const *end = to + ES_WINOGRAD_SEEN_COLUMNS * ES_WINOGRAD_SEEN_ROWS;

        if (rows[k] != NULL && is_inside) {
            for (const int8_t *from = rows[k] + x * c; to != end; from += c) {
                *to = from;
                to += ES_WINOGRAD_SEEN_ROWS;
            }
            continue;
        }
        /* Beside the image the difference is no column either: it wraps. */
        for (uint32_t at = x; to != end; to += ES_WINOGRAD_SEEN_ROWS, at++) {
            *to = rows[k] != NULL && at < w ? rows[k] + at * c : j->pads;
        }
    }
}

/* Finds where the results of a block at `q` go, whose lower row begins at `lower`, null where there
 * is none. */
static inline void es_winograd_aim(es_winograd_job_t *j, int8_t *q, int8_t *lower,
                                   uint32_t columns) {
    const uint32_t c = j->out->c;
    int8_t **below = j->block.out[0], **to = j->block.out[1];

    to[0] = q;
    to[1] = columns > 2 ? q + 2 * c : q;
    to[2] = columns > 1 ? q + c : q;
    to[3] = columns > 3 ? q + 3 * c : q;
    for (uint32_t k = 0; k < ES_WINOGRAD_COLUMNS; k++) {
        below[k] = lower != NULL ? lower + (to[k] - q) : q;
    }
}

static inline void es_winograd_clamp(int8_t *q, uint32_t count, int32_t low, int32_t high) {
    for (int8_t *end = q + count; q != end; q++) {
        *q = (int8_t)es_clamp(*q, low, high);
    }
}

/* The block at column `x` of one or two rows of the output; `rows` are those that it sees. */
static inline void es_winograd_block(es_winograd_job_t *j, const int8_t *const rows[],
                                     int8_t *upper, int8_t *lower, uint32_t x) {
    const es_conv_winograd_params_t *p = j->params;
    const uint32_t c = j->out->c, left = j->out->w - x;
    const uint32_t columns = left < ES_WINOGRAD_COLUMNS ? left : ES_WINOGRAD_COLUMNS;

    es_winograd_see(j, rows, x - p->pad_left);
    es_winograd_aim(j, upper, lower, columns);
    es_winograd_spread(&j->block);
    es_winograd_multiply(&j->block, p->negatives);
    if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
        es_winograd_clamp(upper, columns * c, p->act_min, p->act_max);
        if (lower != NULL) {
            es_winograd_clamp(lower, columns * c, p->act_min, p->act_max);
        }
    }
}

/* es_conv_winograd() by the inner loops that are linked in. */
static inline void es_winograd_convolve(const es_conv_winograd_params_t *p, const uint32_t *stream,
                                        const int8_t *pads, const es_rows_t *in,
                                        const es_rows_t *out, void *scratch, uint32_t y0,
                                        uint32_t y1) {
    uint32_t *spread = scratch;
    es_winograd_job_t job = {
        .params = p,
        .pads = pads,
        .in = in,
        .out = out,
        .block = {.spread = spread,
                  .sums = spread + ES_WINOGRAD_ELEMENTS * in->c,
                  .stream = stream,
                  .quads = in->c / 4,
                  .pairs = out->c / 2},
    };

    for (uint32_t y = y0; y < y1; y += ES_WINOGRAD_ROWS) {
        int8_t *upper = (int8_t *)es_row(out, y);
        int8_t *lower = y1 - y < ES_WINOGRAD_ROWS ? NULL : (int8_t *)es_row(out, y + 1);
        const int8_t *seen[ES_WINOGRAD_SEEN_ROWS];

        for (uint32_t k = 0; k < ES_WINOGRAD_SEEN_ROWS; k++) {
            /* Above the image the difference is no row either: it wraps. */
            const uint32_t row = y + k - p->pad_top;
            seen[k] = row < in->h ? (const int8_t *)es_row(in, row) : NULL;
        }
        for (uint32_t x = 0; x < out->w; x += ES_WINOGRAD_COLUMNS) {
            const uint32_t at = x * out->c;
            es_winograd_block(&job, seen, upper + at, lower != NULL ? lower + at : NULL, x);
        }
    }
}

#endif
