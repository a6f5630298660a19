/* FULLY_CONNECTED for cores with SMLAD, with the portable kernel's weights. */
#include "es_dsp.h"
#include "es_fully_connected.h"

/* acc + the products of four elements, of which 0 and 2 lie in `even`, 1 and 3 in `odd`. */
static inline uint32_t add_four(uint32_t acc, uint32_t even, uint32_t odd, const int8_t *w) {
    const uint32_t weights = es_load_word(w);

    acc = es_smlad(even, es_sxtb16(weights), acc);
    return es_smlad(odd, es_sxtb16_odd(weights), acc);
}

void es_dot_four(const int8_t *x, uint32_t run, const int8_t *w, uint32_t depth, uint32_t acc[4]) {
    const int8_t *w1 = w + depth, *w2 = w1 + depth, *w3 = w2 + depth;
    const int8_t *const end = x + run, *const quads_end = x + (run & ~3u);
    uint32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];

    for (; x != quads_end; x += 4, w += 4, w1 += 4, w2 += 4, w3 += 4) {
        const uint32_t elements = es_load_word(x);
        const uint32_t even = es_sxtb16(elements), odd = es_sxtb16_odd(elements);

        a0 = add_four(a0, even, odd, w);
        a1 = add_four(a1, even, odd, w1);
        a2 = add_four(a2, even, odd, w2);
        a3 = add_four(a3, even, odd, w3);
    }
    for (; x != end; x++) {
        a0 += (uint32_t)(*x * *w++);
        a1 += (uint32_t)(*x * *w1++);
        a2 += (uint32_t)(*x * *w2++);
        a3 += (uint32_t)(*x * *w3++);
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}

uint32_t es_dot(const int8_t *x, uint32_t run, const int8_t *w, uint32_t acc) {
    const int8_t *const end = x + run, *const quads_end = x + (run & ~3u);

    for (; x != quads_end; x += 4, w += 4) {
        const uint32_t elements = es_load_word(x);
        acc = add_four(acc, es_sxtb16(elements), es_sxtb16_odd(elements), w);
    }
    for (; x != end; x++) {
        acc += (uint32_t)(*x * *w++);
    }
    return acc;
}

ES_FOR_SIZE void es_fully_connected(const es_fully_connected_params_t *p, const es_rows_t *in,
                                    const es_rows_t *out, const int8_t *weights,
                                    const es_channel_t *channels, uint32_t y0, uint32_t y1) {
    es_fully_connected_rows(p, in, out, weights, channels, y0, y1);
}

ES_FOR_SIZE void es_fully_connected_sum(const es_fully_connected_params_t *p, const es_rows_t *in,
                                        const es_rows_t *out, const int8_t *weights,
                                        const es_channel_t *channels, uint32_t *sums, uint32_t y0,
                                        uint32_t y1) {
    es_fully_connected_sum_rows(p, in, out, weights, channels, sums, y0, y1);
}
