/* DEPTHWISE_CONV_2D by pairs of rows, for cores with SMLAD: windows of any size. Its C twin is
 * ../ref/depthwise_pairs.c, its inner loops are in depthwise_pairs.S. */
#include "es_depthwise_walk.h"

#include <arm_acle.h>

enum { FOUR = ES_DEPTHWISE_PIXELS };

static inline void multiply(const walk_t *walk, uint32_t rows, const es_depthwise_job_t *job) {
    (void)rows;
    if (walk->params->stride_w == 1) {
        es_depthwise_2_by_1(job);
    } else {
        es_depthwise_2_by_2(job);
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
        tap = (es_tap_pair_t *)walk->taps + p->kernel_h / 2u * p->kernel_w;
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
    const es_tap_pair_t *end = (es_tap_pair_t *)walk->taps + 2 * walk->weight_words;

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
            pack(walk, seen, &packing);
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

void es_depthwise_pairs(const es_depthwise_pairs_params_t *p, const uint32_t *stream,
                        const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                        uint32_t y1) {
    walk_t walk = start_walk(p, stream, in, out, scratch);
    const int by_two = es_depthwise_by_two(p);
    uint32_t rows = by_two ? 2 : 1;

    if (!by_two) {
        place_taps(&walk);
    }
    for (uint32_t y = y0; y < y1; y += rows) {
        rows = rows < y1 - y ? rows : y1 - y;
        if (by_two) {
            rows_3x3(&walk, y, rows, 2, multiply);
        } else {
            row_of_any(&walk, y);
        }
        clamp_rows(&walk, y, rows);
    }
}
