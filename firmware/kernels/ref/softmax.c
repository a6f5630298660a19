/* SOFTMAX, portable: gemmlowp's fixed point, where Qm.n has m integer and n fractional bits. */
#include "es_kernels.h"

#define ACCUMULATOR_BITS 12 /* integer bits of the sum of exponentials: Q12.19 */

static __attribute__((noinline)) int32_t mul(int32_t a, int32_t b) {
    return es_doubling_high_mul(a, b);
}

static __attribute__((noinline)) int32_t shifted(int32_t value, int32_t exponent) {
    return es_rounding_shift_right(value, exponent);
}

/* exp(x) in Q0.31 of x in [-1/4, 0) in Q0.31: a Taylor series around -1/8. */
static int32_t exp_of_fraction(int32_t x) {
    const int32_t exp_of_eighth = 1895147668; /* exp(-1/8) */
    const int32_t third = 715827883;
    const int32_t d = x + (1 << 28);
    const int32_t d2 = mul(d, d);
    const int32_t d3 = mul(d2, d);
    const int32_t d4 = mul(d2, d2);
    const int32_t tail = shifted(mul(shifted(d4, 2) + d3, third) + d2, 1);

    return exp_of_eighth + mul(exp_of_eighth, d + tail);
}

/* exp(x) in Q0.31 of x <= 0 in Q5.26: the fraction's, times one factor for each bit above it. */
static ES_FOR_SIZE int32_t exp_of_negative(int32_t x) {
    static const int32_t factors[] = {/* exp(-1/4), exp(-1/2), exp(-1), ..., exp(-16) */
                                      1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    const int32_t quarter = 1 << 24;
    const int32_t fraction = (x & (quarter - 1)) - quarter;
    const uint32_t rest = (uint32_t)fraction - (uint32_t)x;
    int32_t result = exp_of_fraction(fraction * 32);

    for (uint32_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        if (rest & ((uint32_t)quarter << i)) {
            result = mul(result, factors[i]);
        }
    }
    return x == 0 ? INT32_MAX : result;
}

static int32_t saturating_double(int32_t x, uint32_t times) {
    for (; times > 0; times--) {
        x = x > INT32_MAX / 2 ? INT32_MAX : x < INT32_MIN / 2 ? INT32_MIN : x * 2;
    }
    return x;
}

/* 1 / (1 + x) in Q0.31 of x in [0, 1) in Q0.31: three steps of Newton and Raphson in Q2.29. */
static ES_FOR_SIZE int32_t reciprocal_of_one_plus(int32_t x) {
    const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t r = 1515870810 + mul(half_denominator, -1010580540); /* 48/17, -32/17 */

    for (uint32_t i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - mul(half_denominator, r);
        r = es_wrapping_add(r, saturating_double(mul(r, error), 2));
    }
    return saturating_double(r, 1);
}

/* The exponential of an element that lies `difference` above the greatest, in Q0.31. */
static int32_t exponential(const es_softmax_params_t *p, int32_t difference) {
    const int32_t scaled = es_shift_left(difference, p->input_left_shift);
    return difference < p->diff_min ? 0 : exp_of_negative(mul(scaled, p->input_multiplier));
}

static ES_FOR_SIZE void softmax(const es_softmax_params_t *p, const int8_t *x, int8_t *q,
                                uint32_t n) {
    int32_t most = INT8_MIN;
    uint32_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (uint32_t i = 0; i < n; i++) {
        const int32_t e = exponential(p, x[i] - most);
        sum += (uint32_t)shifted(e, ACCUMULATOR_BITS);
    }
    /* The greatest element alone makes the sum positive; only a damaged record can leave it zero.
     */
    const int32_t headroom = __builtin_clz(sum | 1u);
    const int32_t scale = reciprocal_of_one_plus((int32_t)((sum << headroom) - (1u << 31)));
    const int32_t shift = ACCUMULATOR_BITS - headroom + 31 - 8;

    for (uint32_t i = 0; i < n; i++) {
        const int32_t product = mul(scale, exponential(p, x[i] - most));
        const int32_t y = shift > 31 ? 0 : shifted(product, shift);
        q[i] = (int8_t)es_clamp(y + INT8_MIN, INT8_MIN, INT8_MAX);
    }
}

ES_FOR_SIZE void es_softmax(const es_softmax_params_t *p, const es_rows_t *in, const es_rows_t *out,
                            uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t i = 0; i < in->w; i++) {
            softmax(p, x + i * in->c, q + i * in->c, in->c);
        }
    }
}
