/* What the kernels of elements wider than a byte share: typed rows, and the way back to int16. */
#ifndef ES_SIXTEEN_H
#define ES_SIXTEEN_H

#include "es_kernels_16.h"
#include "es_taps.h"

static inline int16_t *es_row_16(const es_rows_t *rows, uint32_t y) {
    return (int16_t *)(void *)es_row(rows, y);
}

/* Pixel (y, x) of an input of which an extent of 1 stands for all. */
static inline const void *es_wide_pixel(const es_rows_t *in, uint32_t y, uint32_t x) {
    return es_row(in, in->h == 1 ? 0 : y) + (in->w == 1 ? 0 : x) * in->c * in->element_bytes;
}

/* MultiplyByQuantizedMultiplier of an int64: one rounding, ties up. Sums wrap. */
static inline int16_t es_finish_16(uint64_t sum, const es_channel_16_t *channel, int32_t low,
                                   int32_t high) {
    const uint32_t shift = (uint32_t)channel->shift & 63u;
    const uint64_t half = shift != 0 ? (uint64_t)1 << (shift - 1) : 0;
    const int64_t value = (int64_t)(sum * (uint64_t)(int64_t)channel->multiplier + half) >> shift;

    return (int16_t)(value < low ? low : value > high ? high : value);
}

#endif
