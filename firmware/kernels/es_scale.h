/* From a sum to an int8 by one high product, one addition and one shift. */
#ifndef ES_SCALE_H
#define ES_SCALE_H

#include "es_kernels.h"

/* Cores that have no product of 64 bits: the four products of halves are cheaper than a call. */
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__) || defined(__XTENSA__)
#define ES_HALVES 1
#else
#define ES_HALVES 0
#endif

/* floor(sum * multiplier / 2^30) by products of 16 bits: |sum| < 2^29, 0 <= multiplier. */
static inline int32_t es_high_by_halves(int32_t sum, int32_t multiplier) {
    const uint32_t lower = (uint16_t)multiplier, upper = (uint32_t)multiplier >> 16;
    const uint32_t low = (uint32_t)(int32_t)(int16_t)(uint16_t)(uint32_t)sum;
    const uint32_t high = (uint32_t)((int32_t)((uint32_t)sum - low) >> 16);
    const uint32_t middle = (uint32_t)((int32_t)(low * lower) >> 16) + high * lower + low * upper;

    return (int32_t)((uint32_t)((int32_t)middle >> 14) + (high * upper << 2));
}

static inline int32_t es_high(int32_t sum, int32_t multiplier) {
    return ES_HALVES ? es_high_by_halves(sum, multiplier)
                     : (int32_t)((int64_t)es_shift_left(sum, 2) * multiplier >> 32);
}

static inline int8_t es_scaled(uint32_t sum, const es_scale_t *s, int32_t below, int32_t low,
                               int32_t high) {
    const int32_t value = (int32_t)sum;
    const int32_t up = es_wrapping_add(es_high(value, s->multiplier), s->addend);
    const int32_t y = es_wrapping_add(up, value >> 31 & below) >> (s->exponent & 31);

    return (int8_t)es_clamp(y, low, high);
}

#endif
