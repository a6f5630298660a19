/* The portable depthwise convolution over pairs of rows, twin of all that are made for a core. */
#ifndef ES_DEPTHWISE_WINDOW_H
#define ES_DEPTHWISE_WINDOW_H

#include "es_kernels.h"

/* Weights k and k + 2 of a word: those of a pair of rows. */
static inline int32_t weight_at(const uint8_t *pairs, uint32_t pair, uint32_t row) {
    return (int8_t)pairs[pair / 2 * 4 + pair % 2 + 2 * row];
}

typedef struct window {
    const es_depthwise_pairs_params_t *params;
    const es_rows_t *in;
    uint32_t c;
    int32_t top, left;
} window_t;

static inline int32_t input_at(const window_t *t, uint32_t ky, uint32_t kx) {
    const es_depthwise_pairs_params_t *p = t->params;
    const uint32_t y = (uint32_t)t->top + ky * p->dilation_h;
    const uint32_t x = (uint32_t)t->left + kx * p->dilation_w;

    if (y >= t->in->h || x >= t->in->w) {
        return p->pad;
    }
    return ((const int8_t *)es_row(t->in, y))[x * t->in->c + t->c];
}

/* The sum of a window, from `acc` on. The last pair of an odd window begins with a row that the
 * pair before it has taken. */
static inline uint32_t add_window(const window_t *t, const uint8_t *pairs, uint32_t acc) {
    const es_depthwise_pairs_params_t *p = t->params;

    for (uint32_t ky = 0; ky < p->kernel_h; ky++) {
        const uint32_t is_last_of_odd = p->kernel_h % 2 == 1 && ky + 1 == p->kernel_h;
        const uint32_t row = is_last_of_odd ? 1 : ky % 2;

        for (uint32_t kx = 0; kx < p->kernel_w; kx++) {
            const int32_t weight = weight_at(pairs, ky / 2 * p->kernel_w + kx, row);
            acc += (uint32_t)(2 * weight * input_at(t, ky, kx));
        }
    }
    return acc;
}

static inline int8_t finish(const es_depthwise_pairs_params_t *p, int32_t acc,
                            const int32_t numbers[4]) {
    const int32_t addend = es_wrapping_add(numbers[2], acc >> 31);
    const int32_t high = (int32_t)(((int64_t)acc * numbers[1] + (1LL << 31)) >> 32);
    const int32_t value = es_wrapping_add(high, addend) >> (numbers[3] & 31);

    return (int8_t)es_clamp(es_clamp(value, INT8_MIN, INT8_MAX), p->act_min, p->act_max);
}

/* es_depthwise_pairs(). */
static inline void es_depthwise_windows(const es_depthwise_pairs_params_t *p,
                                        const uint32_t *stream, const es_rows_t *in,
                                        const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t words = ((p->kernel_h + 1u) / 2 * p->kernel_w + 1) / 2;

    for (uint32_t y = y0; y < y1; y++) {
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++) {
            const uint32_t *channel = stream;

            for (uint32_t c = 0; c < out->c; c++, channel += words + 4) {
                const int32_t *numbers = (const int32_t *)(channel + words);
                const window_t window = {
                    .params = p,
                    .in = in,
                    .c = c,
                    .top = (int32_t)(y * p->stride_h) - p->pad_top,
                    .left = (int32_t)(x * p->stride_w) - p->pad_left,
                };
                const uint32_t acc =
                    add_window(&window, (const uint8_t *)channel, (uint32_t)numbers[0]);
                *q++ = finish(p, (int32_t)acc, numbers);
            }
        }
    }
}

#endif
