/* What the portable convolutions share: which taps of a window lie inside the image, products of
 * four output channels at a time, and the way from an accumulator to an int8.
 *
 * Accumulators are unsigned, because TensorFlow Lite's wrap. */
#ifndef ES_CONV_H
#define ES_CONV_H

#include "edgeserve.h"
#include "es_fixed.h"

/* For loops with several callers, where one copy is as fast as several and smaller. */
#define ES_OUT_OF_LINE __attribute__((noinline, unused))

/* Taps [first, end) of a window read inside the image. */
typedef struct es_taps {
    uint32_t first, end;
} es_taps_t;

/* Tap k reads index start + k * dilation of [0, extent). Needs start + taps * dilation < 2^31. */
static inline es_taps_t es_taps(int32_t start, uint32_t extent, uint32_t dilation, uint32_t taps) {
    const int32_t left = (int32_t)extent - start; /* from tap 0 to the end of the image */
    es_taps_t t = {0, 0};

    if (start < 0) {
        t.first = ((uint32_t)-start + dilation - 1u) / dilation;
        t.first = t.first < taps ? t.first : taps;
    }
    if (left > 0) {
        t.end = ((uint32_t)left + dilation - 1u) / dilation;
        t.end = t.end < taps ? t.end : taps;
    }
    return t;
}

/* One or four output channels of one pixel: `weights` is what they read next, `lanes` bytes a
 * product.
 */
typedef struct es_lanes {
    const int8_t *weights;
    uint32_t lanes;
    uint32_t acc[4];
} es_lanes_t;

/* Starts the channels from their biases. */
static inline void es_lanes_start(es_lanes_t *l, const es_channel_t *channels) {
    for (uint32_t i = 0; i < l->lanes; i++) {
        l->acc[i] = (uint32_t)channels[i].bias;
    }
}

/* acc[i] += sum_k (x[k] + offset) * weights[k * lanes + i]; moves on to the weights after those. */
static inline void es_lanes_dot(es_lanes_t *l, const int8_t *x, uint32_t n, int32_t offset) {
    const int8_t *end = x + n;
    const int8_t *w = l->weights;
    uint32_t a0 = l->acc[0], a1 = l->acc[1], a2 = l->acc[2], a3 = l->acc[3];

    if (l->lanes == 4) {
        for (; x != end; x++, w += 4) {
            const int32_t v = *x + offset;
            a0 += (uint32_t)(v * w[0]);
            a1 += (uint32_t)(v * w[1]);
            a2 += (uint32_t)(v * w[2]);
            a3 += (uint32_t)(v * w[3]);
        }
    } else {
        for (; x != end; x++, w++) {
            a0 += (uint32_t)((*x + offset) * *w);
        }
    }
    l->weights = w;
    l->acc[0] = a0, l->acc[1] = a1, l->acc[2] = a2, l->acc[3] = a3;
}

/* What becomes of an accumulator after requantization. */
typedef struct es_output_range {
    int32_t zero_point, low, high;
} es_output_range_t;

/* clamp(requantize(acc) + zero point): es_requantize() for a multiplier that is not negative. */
static inline int8_t es_finish(uint32_t acc, const es_channel_t *channel, es_output_range_t range) {
    const int32_t shift = channel->shift;
    const int32_t left = shift & ~(shift >> 31); /* 0 when negative, without a branch */
    const int32_t scaled = es_shift_left((int32_t)acc, left);
    int32_t q = (int32_t)(((int64_t)scaled * channel->multiplier + (1 << 30)) >> 31);

    if (shift < 0) {
        /* To nearest, ties away from zero: floor to one bit more than wanted, then round up. What
         * is negative comes one lower, so that its ties go down. */
        q = es_wrapping_add(q, q >> 31) >> (~shift & 31);
        q = es_wrapping_add(q, 1) >> 1;
    }
    return (int8_t)es_clamp(es_wrapping_add(q, range.zero_point), range.low, range.high);
}

/* Writes the finished channels. */
static ES_OUT_OF_LINE void es_lanes_finish(const es_lanes_t *l, int8_t *q,
                                           const es_channel_t *channels,
                                           const es_output_range_t *to) {
    const es_output_range_t range = *to;

    for (uint32_t i = 0; i < l->lanes; i++) {
        q[i] = es_finish(l->acc[i], &channels[i], range);
    }
}

#endif
