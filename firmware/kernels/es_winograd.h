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
    /* Where results go: of the lower row, then of the upper one, columns 0, 2, 1, 3. The very last,
     * of column 0, is in the image: those that are not may have its place. */
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

/* Finds what the blocks of output rows `y` and after see in column `x` of the input. */
static inline void es_winograd_see(es_winograd_job_t *j, const int8_t *const rows[],
                                   uint32_t column, uint32_t x) {
    for (uint32_t k = 0; k < ES_WINOGRAD_SEEN_ROWS; k++) {
        j->block.seen[column][k] =
            rows[k] != NULL && x < j->in->w ? rows[k] + x * j->in->c : j->pads;
    }
}

static inline void es_winograd_clamp(int8_t *q, uint32_t count, int32_t low, int32_t high) {
    for (int8_t *end = q + count; q != end; q++) {
        *q = (int8_t)es_clamp(*q, low, high);
    }
}

/* The block at column `x` of one or two rows of the output. */
static inline void es_winograd_block(es_winograd_job_t *j, int8_t *const out[], uint32_t rows,
                                     uint32_t x) {
    const es_conv_winograd_params_t *p = j->params;
    const uint32_t c = j->out->c, left = j->out->w - x;
    const uint32_t columns = left < ES_WINOGRAD_COLUMNS ? left : ES_WINOGRAD_COLUMNS;

    for (uint32_t k = 0; k < ES_WINOGRAD_COLUMNS; k++) {
        const uint32_t place = k / 2 + k % 2 * 2;
        const uint32_t at = (k < columns ? x + k : x) * c;
        j->block.out[1][place] = out[0] + at;
        j->block.out[0][place] = rows > 1 && k < columns ? out[1] + at : out[0] + x * c;
    }
    es_winograd_spread(&j->block);
    es_winograd_multiply(&j->block, p->negatives);
    if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
        for (uint32_t k = 0; k < rows; k++) {
            es_winograd_clamp(out[k] + x * c, columns * c, p->act_min, p->act_max);
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
        const uint32_t rows = y1 - y < ES_WINOGRAD_ROWS ? 1 : ES_WINOGRAD_ROWS;
        const int8_t *seen[ES_WINOGRAD_SEEN_ROWS];
        int8_t *const q[ES_WINOGRAD_ROWS] = {
            (int8_t *)es_row(out, y),
            rows > 1 ? (int8_t *)es_row(out, y + 1) : NULL,
        };

        for (uint32_t k = 0; k < ES_WINOGRAD_SEEN_ROWS; k++) {
            /* Above the image the difference is no row either: it wraps. */
            const uint32_t row = y + k - p->pad_top;
            seen[k] = row < in->h ? (const int8_t *)es_row(in, row) : NULL;
        }
        for (uint32_t x = 0; x < out->w; x += ES_WINOGRAD_COLUMNS) {
            for (uint32_t k = 0; k < ES_WINOGRAD_SEEN_COLUMNS; k++) {
                es_winograd_see(&job, seen, k, x + k - p->pad_left);
            }
            es_winograd_block(&job, q, rows, x);
        }
    }
}

#endif
