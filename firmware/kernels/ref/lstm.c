/* UNIDIRECTIONAL_SEQUENCE_LSTM, portable. */
#include "es_kernels.h"

/* Products of Q15 numbers and what follows are gemmlowp's int16 fixed point. All intermediate
 * values stay inside int16 for every argument, so plain int32 gives the same bits. */
static int32_t mul_q15(int32_t a, int32_t b) {
    return (a * b + (1 << 14)) >> 15;
}

static int32_t saturate(int32_t value) {
    return es_clamp(value, INT16_MIN, INT16_MAX);
}

/* exp(a / 2^(15 - integer_bits)) in Q15 for -32768 <= a <= 0: a fourth-order Taylor series within a
 * quarter, times exp(-2^e) for each bit e of the rest. 1 <= integer_bits <= 7. */
static int32_t exp_q15(int32_t a, int32_t integer_bits) {
    static const int16_t powers[] = {25520, 19875, 12055, 4435, 600, 11, 0};
    const int32_t fraction_bits = 15 - integer_bits;
    const int32_t quarter = 1 << (fraction_bits - 2);
    const int32_t part = (a & (quarter - 1)) - quarter;
    const int32_t rest = part - a;

    if (a == 0) {
        return INT16_MAX;
    }
    if (integer_bits > 5 && a < -(32 << fraction_bits)) {
        return 0;
    }
    const int32_t x = part * (1 << integer_bits) + (1 << 12);
    const int32_t x2 = mul_q15(x, x);
    const int32_t x3 = mul_q15(x2, x);
    const int32_t x4 = mul_q15(x2, x2);
    const int32_t third = mul_q15(es_rounding_shift_right(x4, 2) + x3, 10923);
    const int32_t series = x + es_rounding_shift_right(third + x2, 1);
    int32_t result = saturate(28918 + mul_q15(28918, series));
    for (int32_t e = -2; e < integer_bits; e++) {
        if ((rest >> (fraction_bits + e)) & 1) {
            result = mul_q15(result, powers[e + 2]);
        }
    }
    return result;
}

/* 2 / (1 + a) in Q13 for a in Q15, 0 <= a: three steps of Newton and Raphson. */
static int32_t two_over_one_plus(int32_t a) {
    const int32_t half = (a + INT16_MAX + 1) >> 1;
    int32_t x = 23130 + mul_q15(half, -15420);

    for (int32_t i = 0; i < 3; i++) {
        x += saturate(4 * mul_q15(x, (1 << 13) - mul_q15(half, x)));
    }
    return x;
}

/* Q12 in, Q15 out. */
static int32_t logistic(int32_t a) {
    const int32_t positive = saturate(2 * two_over_one_plus(exp_q15(a < 0 ? a : -a, 3)));

    return a == 0 ? 1 << 14 : a > 0 ? positive : INT16_MAX - positive;
}

/* Q(15 - integer_bits) in, Q15 out; exp(2a) is exp of the same bits with one more integer bit. */
static int32_t tanh_q15(int32_t a, int32_t integer_bits) {
    const int32_t e = exp_q15(a < 0 ? a : -a, integer_bits + 1);
    const int32_t positive = saturate(4 * (two_over_one_plus(e) - (1 << 13)));

    return a == 0 ? 0 : a > 0 ? positive : -positive;
}

static int32_t dot(const int8_t *x, const int8_t *w, uint32_t depth, int32_t bias) {
    uint32_t acc = (uint32_t)bias;

    for (uint32_t k = 0; k < depth; k++) {
        acc += (uint32_t)(x[k] * w[k]);
    }
    return (int32_t)acc;
}

typedef struct position {
    const int8_t *weights;
    const int8_t *recurrent;
    const int32_t *biases;
} position_t;

/* The next gate of the layout, before its activation. */
static int32_t gate(const es_lstm_params_t *p, uint32_t g, position_t *at, const int8_t *x,
                    uint32_t depth, const int8_t *state, uint32_t cells) {
    const int32_t from_input = es_requantize(dot(x, at->weights, depth, at->biases[0]),
                                             p->input_multipliers[g], p->input_shifts[g]);
    const int32_t from_state = es_requantize(dot(state, at->recurrent, cells, at->biases[1]),
                                             p->recurrent_multipliers[g], p->recurrent_shifts[g]);

    at->weights += depth;
    at->recurrent += cells;
    at->biases += 2;
    return saturate(es_wrapping_add(from_state, saturate(from_input)));
}

/* One cell's new state from its gates, which have gone through their activations. */
static int32_t remember(const es_lstm_params_t *p, int32_t state, const int32_t *gates) {
    const int32_t kept = es_rounding_shift_right(gates[ES_LSTM_FORGET] * state, 15);
    const int32_t added = es_rounding_shift_right(gates[ES_LSTM_INPUT] * gates[ES_LSTM_CELL],
                                                  30 + p->cell_scale_log2);
    const int32_t sum = saturate(kept + (int16_t)added);

    return p->cell_clip > 0 ? es_clamp(sum, -p->cell_clip, p->cell_clip) : sum;
}

void es_lstm(const es_lstm_params_t *p, const es_lstm_blobs_t *blobs, const es_rows_t *in,
             int8_t *output_state, int16_t *cell_state, const es_rows_t *out, uint32_t y0,
             uint32_t y1) {
    const uint32_t depth = in->w * in->c;
    const uint32_t cells = out->c;
    const int32_t cell_integer_bits = 15 + p->cell_scale_log2;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        int8_t *q = (int8_t *)es_row(out, y);
        position_t at = {blobs->weights, blobs->recurrent, blobs->biases};

        for (uint32_t n = 0; n < cells; n++) {
            int32_t gates[ES_LSTM_GATES] = {0};

            for (uint32_t g = 0; g < p->gates; g++) {
                const int32_t value = gate(p, g, &at, x, depth, output_state, cells);
                gates[g] = g == ES_LSTM_CELL ? tanh_q15(value, 3) : logistic(value);
            }
            if (p->gates == ES_LSTM_INPUT) {
                gates[ES_LSTM_INPUT] = INT16_MAX - gates[ES_LSTM_FORGET];
            }
            const int32_t cell = remember(p, cell_state[n], gates);
            const int32_t hidden =
                es_requantize(gates[ES_LSTM_OUTPUT] * tanh_q15(cell, cell_integer_bits),
                              p->hidden_multiplier, p->hidden_shift);
            cell_state[n] = (int16_t)cell;
            q[n] =
                (int8_t)es_clamp(es_wrapping_add(hidden, p->hidden_zero_point), INT8_MIN, INT8_MAX);
        }
        for (uint32_t n = 0; n < cells; n++) {
            output_state[n] = q[n];
        }
    }
}
