/* CONV_2D of three pixels in two words: for cores that multiply 32 bits by 32 and no more. */
#include "es_lanes_walk.h"

static inline void add(uint32_t acc[ES_LANES_WORDS], const uint32_t *tile, const int8_t *w) {
    const uint32_t one = tile[0], other = tile[1];

    for (uint32_t i = 0; i < ES_LANES_BLOCK; i++) {
        const uint32_t weight = (uint32_t)w[i];
        acc[2 * i] += one * weight;
        acc[2 * i + 1] += other * weight;
    }
}

inline void es_lanes_dot(uint32_t acc[ES_LANES_WORDS], const uint32_t *tile, const int8_t *weights,
                         uint32_t taps) {
    const uint32_t *end = tile + 2 * taps, *fours = tile + 2 * (taps & ~3u);

    while (tile != fours) {
        add(acc, tile, weights);
        add(acc, tile + 2, weights + 4);
        add(acc, tile + 4, weights + 8);
        add(acc, tile + 6, weights + 12);
        tile += 8;
        weights += 16;
    }
    while (tile != end) {
        add(acc, tile, weights);
        tile += 2;
        weights += 4;
    }
}

void es_conv_lanes(const es_conv_lanes_params_t *params, const int8_t *weights,
                   const es_scale_t *scales, const es_rows_t *in, const es_rows_t *out,
                   void *scratch, uint32_t y0, uint32_t y1) {
    es_lanes_convolve(params, weights, scales, in, out, scratch, y0, y1);
}
