/* What the float32 kernels share: typed rows, the clamp, and exp() without a library.
 *
 * Nothing here is undefined for any float, so that no adapter need look at one. */
#ifndef ES_FLOATS_H
#define ES_FLOATS_H

#include "es_kernels_float.h"
#include "es_sixteen.h"
#include "es_taps.h"

#include <string.h>

static inline float *es_row_float(const es_rows_t *rows, uint32_t y) {
    return (float *)(void *)es_row(rows, y);
}

/* NaN stays NaN. */
static inline float es_clamp_float(float value, float low, float high) {
    return value < low ? low : value > high ? high : value;
}

/* 2^n of -126 <= n <= 127. */
static inline float es_power_of_two(int32_t n) {
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;

    memcpy(&power, &bits, sizeof power);
    return power;
}

/* e^x: 2^n * e^r with |r| <= ln(2) / 2, by Taylor's polynomial of degree 6 for e^r, which is wrong
 * by less than r^7 / 5040 < 1.3e-7. With its roundings the result is within 4e-7 of e^x, relative;
 * below 2^-126 within 2 * 2^-149. Infinite from 88.72284 on, 0 below
 * -103.98, NaN of NaN. */
static inline float es_exp(float x) {
    if (!(x < 88.72284f)) {
        return x > 0.0f ? es_power_of_two(127) * 2.0f : x;
    }
    if (x < -103.98f) {
        return 0.0f;
    }
    const int32_t n = (int32_t)(x * 1.44269504f + (x < 0.0f ? -0.5f : 0.5f));
    const float whole = (float)n;
    /* ln(2) in two parts: the product with the first, of 12 bits, is exact. */
    const float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    const float series =
        r * (1.0f / 6.0f + r * (1.0f / 24.0f + r * (1.0f / 120.0f + r * (1.0f / 720.0f))));
    const float power = 1.0f + (r + r * r * (0.5f + series));
    const int32_t half = n / 2;

    return power * es_power_of_two(half) * es_power_of_two(n - half);
}

#endif
