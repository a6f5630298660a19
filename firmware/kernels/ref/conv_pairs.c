/* CONV_2D by pairs of output channels, portable: word for word what the kernels for cores with
 * SMLAD do. */
#include "es_pairs_walk.h"

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

static inline uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t sum) {
    return sum + (uint32_t)(low(a) * low(b)) + (uint32_t)(high(a) * high(b));
}

/* The bytes 0 and 2 of a word, widened. */
static inline uint32_t widened(uint32_t word) {
    return join((int8_t)word, (int8_t)(word >> 16));
}

void es_pairs_pack_pixel(uint32_t *to, const es_pairs_band_t *band, uint32_t apart) {
    const uint32_t words = apart / sizeof *to;

    for (uint32_t row = 0; row < band->rows; row++) {
        const int8_t *from = band->from + row * band->row_step;

        for (uint32_t quads = band->quads; quads > 0; quads--, from += 4) {
            *to = join(from[0], from[2]);
            to += words;
            *to = join(from[1], from[3]);
            to += words;
        }
    }
}

void es_pairs_pack(uint32_t *tile, const es_pairs_band_t *band, uint32_t step) {
    es_pairs_band_t pixel = *band;

    for (uint32_t i = 0; i < ES_PAIRS_PIXELS; i++, pixel.from += step) {
        es_pairs_pack_pixel(tile + i, &pixel, ES_PAIRS_PIXELS * sizeof *tile);
    }
}

/* `twice` is two times the sum. */
static inline int8_t finished(int32_t twice, const uint32_t *scale, uint32_t exponent,
                              uint32_t negatives) {
    const int32_t multiplier = (int32_t)scale[0];
    const uint32_t sign = twice < 0 && negatives ? 1 : 0;
    const int64_t product = (int64_t)twice * multiplier + ((int64_t)1 << 31);
    const int32_t y = (int32_t)((uint32_t)(product >> 32) + scale[1] - sign) >> (exponent & 31);

    return (int8_t)es_clamp(y, INT8_MIN, INT8_MAX);
}

/* The first pixels of a tile of `width`. */
static void multiply(const es_pairs_product_t *product, uint32_t width, uint32_t pixels,
                     uint32_t negatives) {
    const uint32_t words = 2 * product->quads;
    const uint32_t *pair = product->stream;
    const uint32_t channels = (uint32_t)(product->end - product->out[0]);

    for (uint32_t n = 0; n < channels; n += 2, pair += ES_PAIRS_RECORD_WORDS + words) {
        const uint32_t *weights = pair + 2, *scales = weights + words;
        const uint32_t first = negatives ? scales[4] >> 31 : 0; /* 1: in reverse */

        for (uint32_t i = 0; i < pixels; i++) {
            uint32_t sum = pair[0], both = pair[1];

            for (uint32_t k = 0; k < words; k++) {
                const uint32_t taps = product->tile[width * k + i];
                both = multiply_add(taps, weights[k], both);
                sum = multiply_add(taps, widened(weights[k]), sum);
            }
            /* 256 times the other sum: twice of it is an exact shift away. */
            const int32_t other = (int32_t)(both - sum) >> 7;
            int8_t *out = product->out[i] + n;
            out[first] = finished((int32_t)(sum << 1), scales, scales[4], negatives);
            out[1 - first] = finished(other, scales + 2, scales[4] >> 8, negatives);
        }
    }
}

void es_pairs_multiply(const es_pairs_product_t *product, uint32_t pixels, uint32_t negatives) {
    multiply(product, ES_PAIRS_PIXELS, pixels, negatives);
}

void es_pairs_multiply_two(const es_pairs_product_t *product, uint32_t negatives) {
    multiply(product, 2, 2, negatives);
}

void es_conv_pairs(const es_conv_pairs_params_t *params, const uint32_t *stream,
                   const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                   uint32_t y1) {
    es_pairs_convolve(params, stream, in, out, scratch, y0, y1);
}
