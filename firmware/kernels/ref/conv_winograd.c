/* CONV_2D by Winograd's method, portable: word for word what the kernels for cores with SMLAD do.
 */
#include "es_winograd.h"

#include <string.h>

/* Two int16 of a word. */
static inline int32_t low(uint32_t word) {
    return (int16_t)word;
}

static inline int32_t high(uint32_t word) {
    return (int16_t)(word >> 16);
}

static inline uint32_t join(int32_t low, int32_t high) {
    return (uint16_t)low | (uint32_t)high << 16;
}

static inline uint32_t add(uint32_t a, uint32_t b) {
    return join(low(a) + low(b), high(a) + high(b));
}

static inline uint32_t subtract(uint32_t a, uint32_t b) {
    return join(low(a) - low(b), high(a) - high(b));
}

/* Four words times B, in the stream's order of its rows. */
static inline void transform(const uint32_t d[4], uint32_t to[4]) {
    to[0] = add(d[1], d[2]);
    to[1] = subtract(d[2], d[1]);
    to[2] = subtract(d[0], d[2]);
    to[3] = subtract(d[1], d[3]);
}

/* Channels 0 and 2 of a pixel's four, or 1 and 3. */
static inline uint32_t widened(const int8_t *four, uint32_t odd) {
    return join(four[odd], four[odd + 2]);
}

void es_winograd_spread(const es_winograd_block_t *b) {
    const uint32_t apart = 4 * b->quads; /* words from one element to the next */

    for (uint32_t at = 0; at < apart; at += 4) {
        for (uint32_t odd = 0; odd < 2; odd++) {
            uint32_t columns[ES_WINOGRAD_SEEN_COLUMNS][4];

            for (uint32_t x = 0; x < ES_WINOGRAD_SEEN_COLUMNS; x++) {
                uint32_t d[4];
                for (uint32_t y = 0; y < 4; y++) {
                    d[y] = widened(b->seen[x][y] + at, odd);
                }
                transform(d, columns[x]);
            }
            for (uint32_t tile = 0; tile < 2; tile++) {
                for (uint32_t row = 0; row < 4; row++) {
                    uint32_t d[4], to[4];
                    for (uint32_t x = 0; x < 4; x++) {
                        d[x] = columns[2 * tile + x][row];
                    }
                    transform(d, to);
                    for (uint32_t x = 0; x < 4; x++) {
                        b->spread[(4 * x + row) * apart + at + 2 * odd + tile] = to[x];
                    }
                }
            }
        }
    }
}

static inline uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t sum) {
    return sum + (uint32_t)(low(a) * low(b)) + (uint32_t)(high(a) * high(b));
}

/* The sum of an element's products, of one tile and one output channel. */
static uint32_t element(const uint32_t *spread, const uint32_t *weights, uint32_t quads) {
    uint32_t sum = 0;

    for (uint32_t quad = 0; quad < quads; quad++, spread += 4, weights += 4) {
        sum = multiply_add(spread[0], weights[0], sum);
        sum = multiply_add(spread[2], weights[2], sum);
    }
    return sum;
}

/* Four sums times A: what its upper and its lower row make of them. */
static inline void inverse(uint32_t m1, uint32_t m2, uint32_t m0, uint32_t m3, uint32_t to[2]) {
    to[0] = m0 + m1 + m2;
    to[1] = m1 - m2 - m3;
}

static int8_t finished(uint32_t four, const uint32_t *scale, uint32_t negatives) {
    const int32_t value = (int32_t)four;
    const uint32_t sign = value < 0 && negatives ? 2 : 0;
    const int64_t product = (int64_t)value * (int32_t)scale[0];
    const int32_t y = (int32_t)((uint32_t)(product >> 32) + scale[1] - sign) >> (scale[2] & 31);

    return (int8_t)es_clamp(y, INT8_MIN, INT8_MAX);
}

/* One tile and one output channel, whose weights are at `weights`; `scales` behind those of both.
 */
static void lane(es_winograd_block_t *b, uint32_t tile, uint32_t channel, const uint32_t *weights,
                 const uint32_t *scales, uint32_t negatives) {
    const uint32_t apart = 4 * b->quads;
    uint32_t columns[4][2];

    for (uint32_t x = 0; x < 4; x++) {
        uint32_t m[4];
        for (uint32_t y = 0; y < 4; y++) {
            const uint32_t at = (4 * x + y) * apart;
            m[y] = element(b->spread + at + tile, weights + at + channel, b->quads);
        }
        if (x == 0) {
            m[0] += scales[channel]; /* which is added to each output */
        }
        inverse(m[0], m[1], m[2], m[3], columns[x]);
    }
    for (uint32_t lower = 2; lower-- > 0;) {
        uint32_t sums[2];

        inverse(columns[0][lower], columns[1][lower], columns[2][lower], columns[3][lower], sums);
        for (uint32_t x = 2; x-- > 0;) {
            int8_t **q = &b->out[1 - lower][2 * x + tile];
            **q = finished(sums[x], scales + 2 + 3 * channel, negatives);
            ++*q;
        }
    }
}

void es_winograd_multiply(es_winograd_block_t *b, uint32_t negatives) {
    const uint32_t words = ES_WINOGRAD_ELEMENTS * 4 * b->quads;
    const uint32_t *weights = b->stream;

    for (uint32_t pair = 0; pair < b->pairs; pair++) {
        const uint32_t *scales = weights + words;

        for (uint32_t tile = 2; tile-- > 0;) {
            lane(b, tile, 0, weights, scales, negatives);
            lane(b, tile, 1, weights, scales, negatives);
        }
        weights = scales + ES_WINOGRAD_RECORD_WORDS;
    }
}

void es_conv_winograd(const es_conv_winograd_params_t *params, const uint32_t *stream,
                      const int8_t *pads, const es_rows_t *in, const es_rows_t *out, void *scratch,
                      uint32_t y0, uint32_t y1) {
    es_winograd_convolve(params, stream, pads, in, out, scratch, y0, y1);
}
