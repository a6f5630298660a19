/* DEPTHWISE_CONV_2D by pairs of rows, for cores with SMLAD. The inner loops of 3x3 windows are in
 * depthwise_pairs.S, their C twin is ../ref/depthwise_pairs.c.
 *
 * For four channels at a time the columns that some output pixels see are packed into the scratch,
 * with their padding: for each channel the rows of the window as int16, in pairs. A word of data
 * times a word of weights is then two taps. 3x3 windows are computed for two output rows at once.
 */
#include "es_depthwise_pairs.h"
#include "es_kernels.h"
#include "es_taps.h"

#include <arm_acle.h>
#include <string.h>

enum {
    NUMBERS = 4, /* words of a channel's bias, multiplier, addend and exponent */
    FOUR = ES_DEPTHWISE_PIXELS,
};

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
    es_tap_pair_t *taps; /* of a channel; not of 3x3 windows */
    int8_t *aside;       /* an input row that is overwritten while it is needed, or null */
} walk_t;

/* Whether depthwise_pairs.S computes it. It does single rows only without negatives. */
static int is_3x3(const es_depthwise_pairs_params_t *p) {
    return es_depthwise_by_two(p) || (p->kernel_h == 3 && p->kernel_w == 3 && p->dilation_w == 1 &&
                                      p->stride_w <= 2 && !p->negatives);
}

/* Row k of what the windows of output row y see; where it lies outside the image, some row that
 * does not, which will be overwritten. */
static const int8_t *window_row(const walk_t *walk, uint32_t y, uint32_t k, int *is_outside) {
    const es_depthwise_pairs_params_t *p = walk->params;
    const int32_t last = (int32_t)walk->in->h - 1;
    const int32_t at = (int32_t)(y * p->stride_h + k * p->dilation_h) - p->pad_top;
    const int32_t inside = es_clamp(at, 0, last);

    *is_outside = at != inside;
    return (const int8_t *)es_row(walk->in, (uint32_t)inside);
}

/* Puts the padding into row k of four channels of columns [from, to). */
static void pad_row(const walk_t *walk, uint32_t k, uint32_t from, uint32_t to) {
    const uint32_t halves = 2 * walk->tile.pairs;
    const int16_t pad = (int16_t)walk->params->pad;
    int16_t *at = (int16_t *)walk->packed + from * ES_COLUMN_CHANNELS * halves + k;

    for (; from < to; from++, at += ES_COLUMN_CHANNELS * halves) {
        at[0] = at[halves] = at[2 * halves] = at[3 * halves] = pad;
    }
}

static void pad_columns(const walk_t *walk, uint32_t from, uint32_t to) {
    const uint32_t column_words = ES_COLUMN_CHANNELS * walk->tile.pairs;
    const uint32_t pad = (uint16_t)walk->params->pad * 0x10001u;
    uint32_t *at = walk->packed + from * column_words;

    for (uint32_t n = (to - from) * column_words; n > 0; n--) {
        *at++ = pad;
    }
}

/* Moves to the tile of the output pixels from x on, and pads its columns outside the image. */
static void set_tile(walk_t *walk, uint32_t x, uint32_t pairs) {
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
static uint32_t first_byte(const walk_t *walk) {
    return ((uint32_t)walk->tile.left + walk->tile.inside) * walk->in->c;
}

/* The rows that one output row sees, or two; a bit of `outside` for each outside the image. */
typedef struct seen {
    uint32_t count, outside;
    const int8_t *rows[ES_MOST_ROWS];
} seen_t;

static void find_rows(const walk_t *walk, uint32_t y, uint32_t count, seen_t *seen) {
    seen->count = count;
    seen->outside = 0;
    for (uint32_t k = 0; k < count; k++) {
        int is_outside;

        seen->rows[k] = window_row(walk, y, k, &is_outside);
        seen->outside |= (uint32_t)is_outside << k;
    }
}

static es_packing_t packing_of(const walk_t *walk, const seen_t *seen) {
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

static void pad_rows(const walk_t *walk, uint32_t outside) {
    for (uint32_t k = 0; outside > 0; k++, outside >>= 1) {
        if (outside & 1) {
            pad_row(walk, k, walk->tile.inside, walk->tile.outside);
        }
    }
}

/* Packs four channels of the three, four or five rows that are seen. */
static inline __attribute__((always_inline)) void pack(const seen_t *seen, const walk_t *walk,
                                                       const es_packing_t *packing) {
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

static void multiply(const es_depthwise_pairs_params_t *p, uint32_t rows,
                     const es_depthwise_job_t *job) {
    if (rows == 1 && p->stride_w == 1) {
        es_depthwise_relu_1_by_1(job);
    } else if (rows == 1) {
        es_depthwise_relu_1_by_2(job);
    } else if (p->stride_w == 1 && !p->negatives) {
        es_depthwise_relu_2_by_1(job);
    } else if (p->stride_w == 1) {
        es_depthwise_any_2_by_1(job);
    } else if (!p->negatives) {
        es_depthwise_relu_2_by_2(job);
    } else {
        es_depthwise_any_2_by_2(job);
    }
}

/* A tile of output rows y to y + rows of a 3x3 window, of which `computed` are made: the second of
 * two may be of no use. */
static void tile_3x3(const walk_t *walk, uint32_t y, uint32_t rows, uint32_t computed,
                     const seen_t *seen) {
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
        pack(seen, walk, &packing);
        multiply(walk->params, computed, &job);
        if (left <= ES_COLUMN_CHANNELS) {
            return;
        }
        job.out_0 += ES_COLUMN_CHANNELS;
        job.out_1 += ES_COLUMN_CHANNELS;
        job.stream += four_channels;
        packing.ahead += ES_COLUMN_CHANNELS;
    }
}

static void rows_3x3(walk_t *walk, uint32_t y, uint32_t rows) {
    const uint32_t computed = walk->params->negatives ? 2 : rows;
    seen_t seen;

    find_rows(walk, y, computed == 1 ? 3u : 3u + walk->params->stride_h, &seen);
    if (rows == 2 && walk->aside != NULL) {
        /* The second output row may lie over the first input row. */
        memcpy(walk->aside, seen.rows[0], walk->in->w * walk->in->c);
        seen.rows[0] = walk->aside;
    }
    for (uint32_t x = 0; x < walk->out->w; x += walk->tile.pixels) {
        set_tile(walk, x, (seen.count + 1) / 2);
        tile_3x3(walk, y, rows, computed, &seen);
    }
}

/* Bytes 1 and 3. */
static inline int16x2_t odd_bytes(uint32_t word) {
    return __sxtb16(word >> 8 | word << 24);
}

/* Four bytes of each pixel of a pair of rows. */
static void pack_pair(const walk_t *walk, uint32_t pair, const int8_t *a, const int8_t *b) {
    const tile_t *t = &walk->tile;
    const uint32_t step = t->pairs, c = walk->in->c;
    uint32_t *to = walk->packed + t->inside * ES_COLUMN_CHANNELS * step + pair;

    for (uint32_t n = t->outside - t->inside; n > 0; n--, a += c, b += c) {
        uint32_t upper, lower;

        memcpy(&upper, a, sizeof upper);
        memcpy(&lower, b, sizeof lower);
        const uint32_t front = (upper & 0xFFFF) | lower << 16;
        const uint32_t back = upper >> 16 | (lower & 0xFFFF0000);
        to[0] = (uint32_t)__sxtb16(front);
        to[step] = (uint32_t)odd_bytes(front);
        to[2 * step] = (uint32_t)__sxtb16(back);
        to[3 * step] = (uint32_t)odd_bytes(back);
        to += 4 * step;
    }
}

/* Where the taps of a window lie from its first column on, for any channel. */
static void place_taps(const walk_t *walk) {
    const es_depthwise_pairs_params_t *p = walk->params;
    const uint32_t pairs = (p->kernel_h + 1u) / 2;
    const uint32_t step = ES_COLUMN_CHANNELS * pairs * p->dilation_w;
    es_tap_pair_t *tap = walk->taps;

    for (uint32_t i = 0; i < pairs; i++) {
        for (uint32_t k = 0; k < p->kernel_w; k++, tap++) {
            tap->at = (i + k * step) * (uint32_t)sizeof(uint32_t);
        }
    }
    if (pairs * p->kernel_w % 2 > 0) {
        tap->at = 0; /* of the pair that fills up the last word */
    }
}

static void widen_weights(const walk_t *walk, const uint32_t *stream) {
    const es_depthwise_pairs_params_t *p = walk->params;
    es_tap_pair_t *tap = walk->taps;

    for (uint32_t n = walk->weight_words; n > 0; n--, tap += 2) {
        const int16x2_t even = __sxtb16(*stream), odd = odd_bytes(*stream++);
        tap[0].weights = (uint32_t)__sadd16(even, even);
        tap[1].weights = (uint32_t)__sadd16(odd, odd);
    }
    if (p->kernel_h % 2 > 0) {
        /* The last row comes as an upper one, with nothing below it. */
        tap = walk->taps + p->kernel_h / 2u * p->kernel_w;
        for (uint32_t n = p->kernel_w; n > 0; n--, tap++) {
            tap->weights >>= 16;
        }
    }
}

static inline int8_t finish(int32_t acc, const int32_t numbers[NUMBERS]) {
    int32_t value = es_wrapping_add(numbers[2], acc >> 31);

    __asm("smmlar %0, %1, %2, %0" : "+r"(value) : "r"(acc), "r"(numbers[1]));
    return (int8_t)__ssat(value >> (numbers[3] & 31), 8);
}

/* One channel of a tile of an output row. */
static void channel(const walk_t *walk, const uint32_t *stream, const uint32_t *column, int8_t *q) {
    const int32_t *numbers = (const int32_t *)(stream + walk->weight_words);
    const uint32_t step = ES_COLUMN_CHANNELS * walk->tile.pairs * walk->params->stride_w;
    const uint32_t c = walk->out->c, pixels = walk->tile.pixels;
    const es_tap_pair_t *end = walk->taps + 2 * walk->weight_words;

    widen_weights(walk, stream);
    for (uint32_t done = 0; done < pixels; done += FOUR) {
        /* The last four pixels overlap the four before them. Fewer than four see columns that
         * mean nothing. */
        const uint32_t x = pixels < FOUR || done + FOUR <= pixels ? done : pixels - FOUR;
        int32_t sums[FOUR] = {numbers[0], numbers[0], numbers[0], numbers[0]};

        es_depthwise_add_taps(walk->taps, end, column + x * step, 4 * step, sums);
        for (uint32_t i = 0; i < FOUR && i < pixels; i++) {
            q[(x + i) * c] = finish(sums[i], numbers);
        }
    }
}

/* Packs four channels of a window of any height, pair by pair. */
static void pack_window(const walk_t *walk, uint32_t y, uint32_t first) {
    const tile_t *t = &walk->tile;
    const uint32_t kernel_h = walk->params->kernel_h;

    for (uint32_t k = 0; k < kernel_h; k += 2) {
        int upper_outside, lower_outside;
        const int8_t *a = window_row(walk, y, k, &upper_outside);
        const int8_t *b = window_row(walk, y, k + 1 < kernel_h ? k + 1 : k, &lower_outside);

        pack_pair(walk, k / 2, a + first, b + first);
        if (upper_outside) {
            pad_row(walk, k, t->inside, t->outside);
        }
        if (lower_outside) {
            pad_row(walk, k + 1, t->inside, t->outside);
        }
    }
}

/* A tile of an output row of a window of any size; `seen` has its rows if they are 3 to 5. */
static void tile_of_any(const walk_t *walk, uint32_t y, const seen_t *seen) {
    const uint32_t c = walk->in->c;
    const uint32_t *stream = walk->stream;
    int8_t *q = (int8_t *)es_row(walk->out, y) + walk->tile.x * c;
    es_packing_t packing = packing_of(walk, seen);

    for (uint32_t first = 0; first < c;) {
        const uint32_t left = c - first;
        const uint32_t done = left < ES_COLUMN_CHANNELS ? ES_COLUMN_CHANNELS - left : 0;

        packing.ahead = first_byte(walk) + first - done;
        if (seen->count == 0) {
            pack_window(walk, y, packing.ahead);
        } else {
            pack(seen, walk, &packing);
        }
        for (uint32_t i = done; i < ES_COLUMN_CHANNELS; i++, first++) {
            channel(walk, stream, walk->packed + i * walk->tile.pairs, q + first);
            stream += walk->weight_words + NUMBERS;
        }
    }
}

static void row_of_any(walk_t *walk, uint32_t y) {
    const uint32_t kernel_h = walk->params->kernel_h;
    seen_t seen = {0};

    if (kernel_h >= 3 && kernel_h <= ES_MOST_ROWS) {
        find_rows(walk, y, kernel_h, &seen);
    }
    for (uint32_t x = 0; x < walk->out->w; x += walk->tile.pixels) {
        set_tile(walk, x, (kernel_h + 1) / 2);
        tile_of_any(walk, y, &seen);
    }
}

static void clamp_rows(const walk_t *walk, uint32_t y, uint32_t rows) {
    const es_depthwise_pairs_params_t *p = walk->params;

    for (; rows > 0; rows--, y++) {
        int8_t *q = (int8_t *)es_row(walk->out, y);

        for (uint32_t n = walk->out->w * walk->out->c; n > 0; n--, q++) {
            *q = (int8_t)es_clamp(*q, p->act_min, p->act_max);
        }
    }
}

void es_depthwise_pairs(const es_depthwise_pairs_params_t *p, const uint32_t *stream,
                        const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                        uint32_t y1) {
    const es_depthwise_scratch_t parts = es_depthwise_scratch(p, out->w);
    walk_t walk = {
        .params = p,
        .stream = stream,
        .in = in,
        .out = out,
        .weight_words = parts.weight_words,
        .packed = scratch,
        .taps = (es_tap_pair_t *)(void *)((uint32_t *)scratch + parts.column_words),
        .aside = p->sets_aside
                     ? (int8_t *)scratch + 4 * (parts.column_words + 4 * parts.weight_words)
                     : NULL,
    };
    uint32_t rows = es_depthwise_by_two(p) ? 2 : 1;

    if (!is_3x3(p)) {
        place_taps(&walk);
    }
    for (uint32_t y = y0; y < y1; y += rows) {
        rows = rows < y1 - y ? rows : y1 - y;
        if (is_3x3(p)) {
            rows_3x3(&walk, y, rows);
        } else {
            row_of_any(&walk, y);
        }
        if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
            clamp_rows(&walk, y, rows);
        }
    }
}
