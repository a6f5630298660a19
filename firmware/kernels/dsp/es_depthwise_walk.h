/* What the depthwise kernels over pairs of rows share: the walk over the output, a tile at a time,
 * and what of the image its windows see.
 *
 * For four channels at a time the columns that some output pixels see are packed into the scratch,
 * with their padding: for each channel the rows of the window as int16, in pairs. A word of data
 * times a word of weights is then two taps. 3x3 windows are computed for two output rows at once.
 */
#ifndef ES_DEPTHWISE_WALK_H
#define ES_DEPTHWISE_WALK_H

#include "es_depthwise_pairs.h"
#include "es_kernels.h"
#include "es_taps.h"

#include <string.h>

enum { NUMBERS = 4 }; /* words of a channel's bias, multiplier, addend and exponent */

/* Of functions that are handed loops, which they are to call directly. */
#define ES_DEPTHWISE_INLINE inline __attribute__((always_inline))

/* Neighbouring output pixels, and the columns that they see: from input column `left` on. */
typedef struct tile {
    uint32_t x, pixels;
    int32_t left;
    uint32_t columns;
    uint32_t inside, outside; /* columns of the image among them: from, to */
    uint32_t pairs;           /* of rows: words that a channel of a column takes */
} tile_t;

typedef struct walk {
    const es_depthwise_pairs_params_t *params;
    const uint32_t *stream;
    const es_rows_t *in, *out;
    uint32_t weight_words; /* of a channel in the stream */
    tile_t tile;
    uint32_t *packed;
    void *taps;    /* behind the columns; of windows other than 3x3 */
    int8_t *aside; /* an input row that is overwritten while it is needed, or null */
} walk_t;

/* Row k of what the windows of output row y see; where it lies outside the image, some row that
 * does not, which will be overwritten. */
static inline const int8_t *window_row(const walk_t *walk, uint32_t y, uint32_t k,
                                       int *is_outside) {
    const es_depthwise_pairs_params_t *p = walk->params;
    const int32_t last = (int32_t)walk->in->h - 1;
    const int32_t at = (int32_t)(y * p->stride_h + k * p->dilation_h) - p->pad_top;
    const int32_t inside = es_clamp(at, 0, last);

    *is_outside = at != inside;
    return (const int8_t *)es_row(walk->in, (uint32_t)inside);
}

/* Puts the padding into row k of four channels of columns [from, to). */
static inline void pad_row(const walk_t *walk, uint32_t k, uint32_t from, uint32_t to) {
    const uint32_t halves = 2 * walk->tile.pairs;
    const int16_t pad = (int16_t)walk->params->pad;
    int16_t *at = (int16_t *)walk->packed + from * ES_COLUMN_CHANNELS * halves + k;

    for (; from < to; from++, at += ES_COLUMN_CHANNELS * halves) {
        at[0] = at[halves] = at[2 * halves] = at[3 * halves] = pad;
    }
}

static inline void pad_columns(const walk_t *walk, uint32_t from, uint32_t to) {
    const uint32_t column_words = ES_COLUMN_CHANNELS * walk->tile.pairs;
    const uint32_t pad = (uint16_t)walk->params->pad * 0x10001u;
    uint32_t *at = walk->packed + from * column_words;

    for (uint32_t n = (to - from) * column_words; n > 0; n--) {
        *at++ = pad;
    }
}

/* Moves to the tile of the output pixels from x on, and pads its columns outside the image. */
static inline void set_tile(walk_t *walk, uint32_t x, uint32_t pairs) {
    const es_depthwise_pairs_params_t *p = walk->params;
    tile_t *t = &walk->tile;

    if (x == t->x && pairs == t->pairs) {
        return;
    }
    t->x = x;
    t->pairs = pairs;
    t->pixels = p->tile_w < walk->out->w - x ? p->tile_w : walk->out->w - x;
    t->left = (int32_t)(x * p->stride_w) - p->pad_left;
    t->columns = (t->pixels - 1) * p->stride_w + (p->kernel_w - 1u) * p->dilation_w + 1;
    const es_taps_t inside = es_taps(t->left, walk->in->w, 1, t->columns);
    t->inside = inside.first;
    t->outside = inside.end > inside.first ? inside.end : inside.first;
    pad_columns(walk, 0, t->inside);
    pad_columns(walk, t->outside, t->columns);
}

/* From the first byte of a row to the first column of the tile that is packed. */
static inline uint32_t first_byte(const walk_t *walk) {
    return ((uint32_t)walk->tile.left + walk->tile.inside) * walk->in->c;
}

/* The rows that one output row sees, or two; a bit of `outside` for each outside the image. */
typedef struct seen {
    uint32_t count, outside;
    const int8_t *rows[ES_MOST_ROWS];
} seen_t;

static inline void find_rows(const walk_t *walk, uint32_t y, uint32_t count, seen_t *seen) {
    seen->count = count;
    seen->outside = 0;
    for (uint32_t k = 0; k < count; k++) {
        int is_outside;

        seen->rows[k] = window_row(walk, y, k, &is_outside);
        seen->outside |= (uint32_t)is_outside << k;
    }
}

static inline es_packing_t packing_of(const walk_t *walk, const seen_t *seen) {
    const tile_t *t = &walk->tile;
    es_packing_t packing = {
        .begin = -(int32_t)((t->outside - t->inside) * walk->in->c),
        .step = walk->in->c,
        .columns = walk->packed + t->inside * ES_COLUMN_CHANNELS * t->pairs,
        .ahead = first_byte(walk),
    };

    memcpy(packing.rows, seen->rows, sizeof packing.rows);
    return packing;
}

static inline void pad_rows(const walk_t *walk, uint32_t outside) {
    for (uint32_t k = 0; outside > 0; k++, outside >>= 1) {
        if (outside & 1) {
            pad_row(walk, k, walk->tile.inside, walk->tile.outside);
        }
    }
}

/* Packs four channels of the three, four or five rows that are seen. */
static inline void pack(const walk_t *walk, const seen_t *seen, const es_packing_t *packing) {
    if (packing->begin < 0) {
        if (seen->count == 3) {
            es_depthwise_pack_3(packing);
        } else if (seen->count == 4) {
            es_depthwise_pack_4(packing);
        } else {
            es_depthwise_pack_5(packing);
        }
    }
    if (seen->outside > 0) {
        pad_rows(walk, seen->outside);
    }
}

/* The inner loops of a kernel for 3x3 windows. */
typedef void es_depthwise_multiply_t(const walk_t *walk, uint32_t rows,
                                     const es_depthwise_job_t *job);

/* A tile of output rows y to y + rows of a 3x3 window, of which `computed` are made: the second of
 * two may be of no use. */
static ES_DEPTHWISE_INLINE void tile_3x3(const walk_t *walk, uint32_t y, uint32_t rows,
                                         uint32_t computed, const seen_t *seen,
                                         es_depthwise_multiply_t *multiply) {
    const es_rows_t *out = walk->out;
    const tile_t *t = &walk->tile;
    const uint32_t c = out->c, stride = walk->params->stride_w, pairs = t->pairs;
    const uint32_t column_words = ES_COLUMN_CHANNELS * pairs;
    const uint32_t four_channels = ES_COLUMN_CHANNELS * (walk->weight_words + NUMBERS);
    es_packing_t packing = packing_of(walk, seen);
    es_depthwise_job_t job = {
        .step = c,
        .columns = walk->packed,
        .out_0 = (int8_t *)es_row(out, y) + t->x * c,
        .out_1 = (int8_t *)es_row(out, y + rows - 1) + t->x * c,
        .span_bytes = t->pixels / 2 * 2 * stride * column_words * (uint32_t)sizeof(uint32_t),
        .stream = walk->stream,
        .channels = ES_COLUMN_CHANNELS,
        .is_odd = t->pixels % 2,
    };

    for (uint32_t left = c;; left -= ES_COLUMN_CHANNELS) {
        if (left < ES_COLUMN_CHANNELS) {
            /* The last four channels overlap the four before them: those they share are done. */
            job.channels = left;
            job.columns += (ES_COLUMN_CHANNELS - left) * pairs;
            packing.ahead -= ES_COLUMN_CHANNELS - left;
        }
        pack(walk, seen, &packing);
        multiply(walk, computed, &job);
        if (left <= ES_COLUMN_CHANNELS) {
            return;
        }
        job.out_0 += ES_COLUMN_CHANNELS;
        job.out_1 += ES_COLUMN_CHANNELS;
        job.stream += four_channels;
        packing.ahead += ES_COLUMN_CHANNELS;
    }
}

/* One output row or two, computed as if they were `computed`. */
static ES_DEPTHWISE_INLINE void rows_3x3(walk_t *walk, uint32_t y, uint32_t rows, uint32_t computed,
                                         es_depthwise_multiply_t *multiply) {
    seen_t seen;

    find_rows(walk, y, computed == 1 ? 3u : 3u + walk->params->stride_h, &seen);
    if (rows == 2 && walk->aside != NULL) {
        /* The second output row may lie over the first input row. */
        memcpy(walk->aside, seen.rows[0], walk->in->w * walk->in->c);
        seen.rows[0] = walk->aside;
    }
    for (uint32_t x = 0; x < walk->out->w; x += walk->tile.pixels) {
        set_tile(walk, x, (seen.count + 1) / 2);
        tile_3x3(walk, y, rows, computed, &seen, multiply);
    }
}

/* To less than int8, where that is asked for. */
static inline void clamp_rows(const walk_t *walk, uint32_t y, uint32_t rows) {
    const es_depthwise_pairs_params_t *p = walk->params;

    if (p->act_min == INT8_MIN && p->act_max == INT8_MAX) {
        return;
    }
    for (; rows > 0; rows--, y++) {
        int8_t *q = (int8_t *)es_row(walk->out, y);

        for (uint32_t n = walk->out->w * walk->out->c; n > 0; n--, q++) {
            *q = (int8_t)es_clamp(*q, p->act_min, p->act_max);
        }
    }
}

/* The scratch of a walk holds columns, taps and a row that is set aside. */
static inline walk_t start_walk(const es_depthwise_pairs_params_t *p, const uint32_t *stream,
                                const es_rows_t *in, const es_rows_t *out, void *scratch) {
    const es_depthwise_scratch_t parts = es_depthwise_scratch(p, out->w);

    return (walk_t){
        .params = p,
        .stream = stream,
        .in = in,
        .out = out,
        .weight_words = parts.weight_words,
        .packed = scratch,
        .taps = (uint32_t *)scratch + parts.column_words,
        .aside = p->sets_aside
                     ? (int8_t *)scratch + 4 * (parts.column_words + 4 * parts.weight_words)
                     : NULL,
    };
}

#endif
