/* Two int8 inputs walked together with an output, where an extent of 1 stands for all. */
#ifndef ES_BROADCAST_H
#define ES_BROADCAST_H

#include "edgeserve.h"

/* `n` outputs; input element i lies at a[i * a_step], the step being 0 or 1. */
typedef struct es_line {
    const int8_t *a, *b;
    int8_t *out;
    uint32_t a_step, b_step, n;
} es_line_t;

/* True when a row of the input is as long as the output's, or one element for all of it. */
static inline int es_is_even(const es_rows_t *in, const es_rows_t *out) {
    return in->w * in->c == 1 || (in->w == out->w && in->c == out->c);
}

/* How many lines a row of the output falls into: 1, or one a pixel. */
static inline uint32_t es_line_count(const es_rows_t *a, const es_rows_t *b, const es_rows_t *out) {
    return es_is_even(a, out) && es_is_even(b, out) ? 1 : out->w;
}

static inline const int8_t *es_broadcast_at(const es_rows_t *in, uint32_t y, uint32_t x) {
    const uint8_t *row = es_row(in, in->h == 1 ? 0 : y);
    return (const int8_t *)row + (in->w == 1 ? 0 : x * in->c);
}

/* Line `x` of output row `y`. */
static inline es_line_t es_line_at(const es_rows_t *a, const es_rows_t *b, const es_rows_t *out,
                                   uint32_t y, uint32_t x, uint32_t line_count) {
    const uint32_t n = line_count == 1 ? out->w * out->c : out->c;
    const es_line_t line = {
        .a = es_broadcast_at(a, y, x),
        .b = es_broadcast_at(b, y, x),
        .out = (int8_t *)es_row(out, y) + x * n,
        .a_step = line_count == 1 ? a->w * a->c != 1 : a->c != 1,
        .b_step = line_count == 1 ? b->w * b->c != 1 : b->c != 1,
        .n = n,
    };
    return line;
}

#endif
