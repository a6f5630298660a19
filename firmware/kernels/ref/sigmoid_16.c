/* LOGISTIC and TANH of int16, portable: a table of 256 steps, and straight lines between them. */
#include "es_sixteen.h"

/* 65536 * logistic(x) in Q16.`bits`, of x >= 0 in steps of 2^-bits. */
static uint32_t between(const uint16_t *table, uint32_t x, uint32_t bits, uint32_t beyond) {
    const uint32_t step = x >> bits, rest = x & ((1u << bits) - 1);

    if (step >= ES_SIGMOID_STEPS - 1) {
        return beyond;
    }
    return ((uint32_t)table[step] << bits) + rest * ((uint32_t)table[step + 1] - table[step]);
}

static int16_t logistic(const uint16_t *table, int32_t x) {
    const uint32_t magnitude = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    const uint32_t y = between(table, magnitude, 9, 0x7FFFu << 10);
    const uint32_t rounded = x < 0 ? (1u << 25) - y + (1u << 9) - 1 : y + (1u << 9);

    return (int16_t)(uint16_t)(rounded >> 10);
}

static int16_t tanh_of(const uint16_t *table, int32_t x) {
    const uint32_t magnitude = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    const int32_t y = (int32_t)between(table, magnitude, 8, 0xFFFFu << 8);
    const int32_t rounded = x < 0 ? (1 << 23) - y + (1 << 7) - 1 : y - (1 << 23) + (1 << 7);

    return (int16_t)(rounded >> 8);
}

void es_sigmoid_16(const es_sigmoid_16_params_t *p, const uint16_t *table, const es_rows_t *in,
                   const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c, shift = (uint32_t)p->shift & 31u;
    const int32_t half = shift > 0 ? 1 << (shift - 1) : 0;

    for (uint32_t y = y0; y < y1; y++) {
        const int16_t *source = es_row_16(in, y);
        int16_t *q = es_row_16(out, y);
        for (uint32_t i = 0; i < n; i++) {
            const int32_t scaled = es_wrapping_mul(source[i], p->multiplier);
            const int32_t x = es_wrapping_add(scaled, half) >> shift;
            q[i] = p->is_tanh ? tanh_of(table, x) : logistic(table, x);
        }
    }
}
