/* CONV_2D of three pixels in two words: for cores that multiply 32 bits by 32 and no more. */
#include "es_lanes_walk.h"

/* The sums of four channels, each in two words. Named one by one, they stay in registers. */
typedef struct sums {
    uint32_t a0, b0, a1, b1, a2, b2, a3, b3;
} sums_t;

static inline void add_tap(sums_t *s, const uint32_t *tile, const int8_t *w) {
    const uint32_t one = tile[0], other = tile[1];
    const uint32_t w0 = (uint32_t)w[0], w1 = (uint32_t)w[1];
    const uint32_t w2 = (uint32_t)w[2], w3 = (uint32_t)w[3];

    s->a0 += one * w0;
    s->b0 += other * w0;
    s->a1 += one * w1;
    s->b1 += other * w1;
    s->a2 += one * w2;
    s->b2 += other * w2;
    s->a3 += one * w3;
    s->b3 += other * w3;
}

inline void es_lanes_dot(uint32_t acc[ES_LANES_WORDS], const uint32_t *tile, const int8_t *weights,
                         uint32_t taps) {
    const uint32_t *end = tile + 2 * taps;
    sums_t s = {0};

    if (taps % 2 != 0) {
        add_tap(&s, tile, weights);
        tile += 2;
        weights += 4;
    }
    /* More taps at a time, and compilers run out of registers. */
    while (tile != end) {
        add_tap(&s, tile, weights);
        add_tap(&s, tile + 2, weights + 4);
        tile += 4;
        weights += 8;
    }
    acc[0] = s.a0, acc[1] = s.b0, acc[2] = s.a1, acc[3] = s.b1;
    acc[4] = s.a2, acc[5] = s.b2, acc[6] = s.a3, acc[7] = s.b3;
}

void es_conv_lanes(const es_conv_lanes_params_t *params, const int8_t *weights,
                   const es_scale_t *scales, const es_rows_t *in, const es_rows_t *out,
                   void *scratch, uint32_t y0, uint32_t y1) {
    es_lanes_convolve(params, weights, scales, in, out, scratch, y0, y1);
}
