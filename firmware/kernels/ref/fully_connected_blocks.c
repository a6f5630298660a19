/* FULLY_CONNECTED by blocks of eight output channels, portable. */
#include "es_blocks.h"

/* Named one by one, the sums stay in registers. */
typedef struct sums {
    uint32_t a0, a1, a2, a3, a4, a5, a6, a7;
} sums_t;

static inline void add_tap(sums_t *s, int32_t x, const int8_t *w, uint32_t width) {
    s->a0 += (uint32_t)(x * w[0]);
    s->a1 += (uint32_t)(x * w[1]);
    s->a2 += (uint32_t)(x * w[2]);
    s->a3 += (uint32_t)(x * w[3]);
    if (width == ES_BLOCK_CHANNELS) {
        s->a4 += (uint32_t)(x * w[4]);
        s->a5 += (uint32_t)(x * w[5]);
        s->a6 += (uint32_t)(x * w[6]);
        s->a7 += (uint32_t)(x * w[7]);
    }
}

static inline void dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *w,
                       uint32_t taps, uint32_t width) {
    sums_t s = {0};

    for (const int8_t *end = x + taps; x != end; w += width) {
        add_tap(&s, *x++, w, width);
    }
    acc[0] = s.a0, acc[1] = s.a1, acc[2] = s.a2, acc[3] = s.a3;
    acc[4] = s.a4, acc[5] = s.a5, acc[6] = s.a6, acc[7] = s.a7;
}

void es_block_dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *weights,
                  uint32_t taps) {
    dot(acc, x, weights, taps, ES_BLOCK_CHANNELS);
}

void es_half_block_dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *weights,
                       uint32_t taps) {
    dot(acc, x, weights, taps, ES_BLOCK_CHANNELS / 2);
}

void es_fully_connected_blocks(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                               const es_rows_t *out, const int8_t *weights,
                               const es_scale_t *scales, uint32_t y0, uint32_t y1) {
    es_blocks_rows(p, in, out, weights, scales, y0, y1);
}

void es_fully_connected_blocks_sum(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                                   const es_rows_t *out, const int8_t *weights,
                                   const es_scale_t *scales, uint32_t *sums, uint32_t y0,
                                   uint32_t y1) {
    es_blocks_sum(p, in, out, weights, scales, sums, y0, y1);
}
