/* Fixed-point arithmetic exactly as TensorFlow Lite's reference kernels do it.
 *
 * Every function is defined for every argument: a shift out of range wraps. So a damaged
 * requantization can make a wrong number and nothing worse, and no adapter need look at it. */
#ifndef ES_FIXED_H
#define ES_FIXED_H

#include <stdint.h>

/* Bias with the input zero point folded in, Q31 multiplier, and power of two to the left. */
typedef struct es_channel {
    int32_t bias;
    int32_t multiplier;
    int32_t shift;
} es_channel_t;

static inline int32_t es_clamp(int32_t value, int32_t low, int32_t high) {
    return value < low ? low : value > high ? high : value;
}

/* Shifts and sums wrap like the hardware's; C leaves the signed ones undefined. */
static inline int32_t es_wrapping_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t es_wrapping_mul(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a * (uint32_t)b);
}

static inline int32_t es_shift_left(int32_t value, int32_t shift) {
    return (int32_t)((uint32_t)value << (shift & 31));
}

/* (a * b + 2^30) / 2^31, saturating the one product that overflows (gemmlowp). */
static inline int32_t es_doubling_high_mul(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    /* gemmlowp nudges by the sign and truncates; a floor after +2^30 is the same for every product.
     */
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* value / 2^exponent, to nearest, ties away from zero (gemmlowp). 0 <= exponent <= 31. */
static inline int32_t es_rounding_shift_right(int32_t value, int32_t exponent) {
    const int32_t mask = (int32_t)(((uint32_t)1 << (exponent & 31)) - 1u);
    const int32_t remainder = value & mask;
    const int32_t threshold = (int32_t)((uint32_t)mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> (exponent & 31)) + (remainder > threshold ? 1 : 0);
}

/* value * multiplier * 2^(shift - 31), rounding twice: MultiplyByQuantizedMultiplier as LiteRT's
 * reference kernels have it for all operators but FULLY_CONNECTED. */
static inline int32_t es_requantize(int32_t value, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : (int32_t)(0u - (uint32_t)shift);
    return es_rounding_shift_right(es_doubling_high_mul(es_shift_left(value, left), multiplier),
                                   right);
}

/* The same product rounded once, ties away from zero: what LiteRT's reference FULLY_CONNECTED does.
 * 1 <= 31 - shift <= 62. */
static inline int32_t es_requantize_once(int32_t value, int32_t multiplier, int32_t shift) {
    const uint32_t total = 31u - (uint32_t)shift;
    const int64_t product = (int64_t)value * multiplier;
    const uint64_t half = (uint64_t)1 << ((total - 1u) & 63u);
    const int64_t result = (int64_t)((uint64_t)product + half - (product < 0)) >> (total & 63u);
    return result < INT32_MIN ? INT32_MIN : result > INT32_MAX ? INT32_MAX : (int32_t)result;
}

#endif
