/* SOFTMAX of int16, portable: by tables of exponentials and reciprocals. */
#include "es_sixteen.h"

/* Between two entries of a table, by the lower seven bits. */
static int32_t look_up(const int16_t *table, int32_t value) {
    const int16_t *entry = table + 256 + (value >> 7);
    const int32_t delta = ((entry[1] - entry[0]) * (value & 127) + 64) >> 7;

    return (int16_t)(uint16_t)(uint32_t)(entry[0] + delta);
}

static int32_t exponential(const es_softmax_16_params_t *p, const int16_t *table,
                           int32_t difference) {
    const int32_t scaled = es_requantize(difference, p->multiplier, p->shift);

    return look_up(table, es_clamp(es_wrapping_add(scaled, INT16_MAX), INT16_MIN, INT16_MAX));
}

static void softmax(const es_softmax_16_params_t *p, const int16_t *exponentials,
                    const int16_t *reciprocals, const int16_t *x, int16_t *q, uint32_t n) {
    int32_t most = INT16_MIN;
    uint32_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (uint32_t i = 0; i < n; i++) {
        sum += (uint32_t)exponential(p, exponentials, x[i] - most);
    }
    /* One is left in the sum's top bit but one; a damaged table alone makes it zero or negative. */
    const int32_t headroom = __builtin_clz(sum | 1u);
    const int32_t left = headroom > 0 ? headroom - 1 : 0, right = headroom < 31 ? 31 - headroom : 0;
    const int32_t shifted = (int32_t)((((uint64_t)sum << left) + (1 << 13)) >> 14);
    const int32_t centred = es_clamp(shifted - (1 << 15) - (1 << 16), INT16_MIN, INT16_MAX);
    const int32_t scale = look_up(reciprocals, centred);
    const int32_t half = right > 0 ? 1 << (right - 1) : 0;

    for (uint32_t i = 0; i < n; i++) {
        const int64_t product = (int64_t)exponential(p, exponentials, x[i] - most) * scale;
        const int64_t y = (product + half) >> right;
        q[i] = (int16_t)(y < 0 ? 0 : y > INT16_MAX ? INT16_MAX : y);
    }
}

void es_softmax_16(const es_softmax_16_params_t *p, const int16_t *exponentials,
                   const int16_t *reciprocals, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int16_t *x = es_row_16(in, y);
        int16_t *q = es_row_16(out, y);

        for (uint32_t i = 0; i < in->w; i++) {
            softmax(p, exponentials, reciprocals, x + i * in->c, q + i * in->c, in->c);
        }
    }
}
