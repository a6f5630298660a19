/* What the portable convolutions share: where their windows lie, sums of four output channels at a
 * time, and the way from an accumulator to an int8.
 *
 * Accumulators are unsigned, because TensorFlow Lite's wrap. */
#ifndef ES_CONV_H
#define ES_CONV_H

#include "edgeserve.h"
#include "es_fixed.h"
#include "es_taps.h"

/* Inlined into their callers the inner loops would lose their registers. */
#define ES_OUT_OF_LINE __attribute__((noinline))

/* Sums of one or four neighbouring output channels of one pixel. */
typedef struct es_lanes {
    uint32_t count; /* 1 or 4 */
    uint32_t acc[4];
} es_lanes_t;

/* As many lanes as there are channels for, started from their biases. */
static inline es_lanes_t es_lanes_start(const es_channel_t *channels, uint32_t left) {
    es_lanes_t l = {.count = 1, .acc = {(uint32_t)channels[0].bias}};

    if (left >= 4) {
        l.count = 4;
        l.acc[1] = (uint32_t)channels[1].bias;
        l.acc[2] = (uint32_t)channels[2].bias;
        l.acc[3] = (uint32_t)channels[3].bias;
    }
    return l;
}

/* How a window walks over an image. */
typedef struct es_window {
    const es_rows_t *in;
    const int8_t *pads; /* in->c bytes that stand for a pixel outside the image */
    uint32_t kernel_h, kernel_w;
    uint32_t stride_h, stride_w;
    uint32_t dilation_h, dilation_w;
    uint32_t pad_top, pad_left;
} es_window_t;

/* Some taps of a window: `rows` rows of `taps`, from tap number `first` on (row by row). */
typedef struct es_patch {
    const int8_t *base; /* rows as es_rows_t has them */
    uint32_t row_bytes, depth;
    uint32_t y, dy;  /* row of the first tap, distance to the next */
    uint32_t x, dx;  /* byte in the row of the first tap, distance to the next */
    uint32_t stride; /* distance to the same tap of the next output pixel, in bytes */
    uint32_t rows, taps, first;
} es_patch_t;

enum { ES_PATCHES = 5 };

/* Neighbouring output pixels whose windows lie alike: as one patch in the image and up to four
 * outside it, none of them empty. */
typedef struct es_span {
    uint32_t pixels, patch_count;
    es_patch_t patches[ES_PATCHES];
} es_span_t;

/* Row i of the taps of pixel k of a span. */
static inline const int8_t *es_patch_row(const es_patch_t *t, uint32_t i, uint32_t k) {
    const uint32_t y = t->y + i * t->dy;

    return t->base + (y < t->depth ? y : y % t->depth) * t->row_bytes + t->x + k * t->stride;
}

/* The span that begins at output pixel (y, x) of a row of `out_w`. */
static inline void es_span_at(const es_window_t *w, uint32_t y, uint32_t x, uint32_t out_w,
                              es_span_t *span) {
    const es_rows_t *in = w->in;
    const int32_t top = (int32_t)(y * w->stride_h - w->pad_top);
    const int32_t left = (int32_t)(x * w->stride_w - w->pad_left);
    const es_taps_t ky = es_taps(top, in->h, w->dilation_h, w->kernel_h);
    const es_taps_t kx = es_taps(left, in->w, w->dilation_w, w->kernel_w);
    const uint32_t rows = ky.end - ky.first, taps = kx.end - kx.first;
    const uint32_t start = ky.first * w->kernel_w;
    const struct {
        uint32_t rows, taps, first;
    } outside[] = {
        {ky.first, w->kernel_w, 0},
        {w->kernel_h - ky.end, w->kernel_w, ky.end * w->kernel_w},
        {rows, kx.first, start},
        {rows, w->kernel_w - kx.end, start + kx.end},
    };
    es_patch_t *patch = span->patches;

    span->pixels = 1;
    if (taps == w->kernel_w) {
        /* Pixels up to the last whose window lies in the row as well. */
        const uint32_t room = in->w - 1 - (w->kernel_w - 1) * w->dilation_w - (uint32_t)left;
        const uint32_t alike = room / w->stride_w + 1;
        span->pixels = alike < out_w - x ? alike : out_w - x;
    }
    if (rows > 0 && taps > 0) {
        *patch++ = (es_patch_t){
            .base = (const int8_t *)in->base,
            .row_bytes = in->row_bytes,
            .depth = in->depth,
            .y = (uint32_t)top + ky.first * w->dilation_h,
            .dy = w->dilation_h,
            .x = ((uint32_t)left + kx.first * w->dilation_w) * in->c,
            .dx = w->dilation_w * in->c,
            .stride = w->stride_w * in->c,
            .rows = rows,
            .taps = taps,
            .first = start + kx.first,
        };
    }
    for (uint32_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        if (outside[i].rows > 0 && outside[i].taps > 0) {
            *patch++ = (es_patch_t){
                .base = w->pads,
                .depth = 1,
                .rows = outside[i].rows,
                .taps = outside[i].taps,
                .first = outside[i].first,
            };
        }
    }
    span->patch_count = (uint32_t)(patch - span->patches);
}

/* What becomes of an accumulator after requantization. */
typedef struct es_output_range {
    int32_t zero_point, low, high;
} es_output_range_t;

/* What is scaled by one half or more is rare, and kept out of the way of the rest. */
static ES_OUT_OF_LINE int32_t es_scale_up(int32_t acc, const es_channel_t *channel) {
    return es_requantize(acc, channel->multiplier, channel->shift);
}

/* Writes clamp(requantize(acc) + zero point) for each lane: es_requantize() for multipliers that
 * are not negative. */
static inline void es_lanes_finish(const es_lanes_t *l, int8_t *q, const es_channel_t *channels,
                                   const es_output_range_t *range) {
    const es_channel_t *end = channels + l->count;
    const uint32_t *acc = l->acc;

    do {
        const int32_t value = (int32_t)*acc++, shift = channels->shift;
        int32_t y;

        if (__builtin_expect(shift < 0, 1)) {
            y = (int32_t)(((int64_t)value * channels->multiplier + (1 << 30)) >> 31);
            /* To nearest, ties away from zero: floor to one bit more than wanted, then round up.
             * What is negative comes one lower, so that its ties go down. */
            y = es_wrapping_add(y, y >> 31) >> (~shift & 31);
            y = es_wrapping_add(y, 1) >> 1;
        } else {
            y = es_scale_up(value, channels);
        }
        *q++ = (int8_t)es_clamp(es_wrapping_add(y, range->zero_point), range->low, range->high);
    } while (++channels != end);
}

#endif
