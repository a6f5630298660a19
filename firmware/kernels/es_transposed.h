/* What the variants of TRANSPOSE_CONV share: each output pixel gathers the input pixels that reach
 * it. */
#ifndef ES_TRANSPOSED_H
#define ES_TRANSPOSED_H

#include "es_conv.h"
#include "es_kernels.h"

/* Along one axis: input index - i through tap + i * stride, i < count. */
typedef struct es_reach {
    uint32_t index, tap, count;
} es_reach_t;

/* `at` is the output index plus the padding before. */
static inline es_reach_t es_reach_of(uint32_t at, uint32_t stride, uint32_t kernel,
                                     uint32_t extent) {
    es_reach_t r = {.index = at / stride};

    r.index = r.index < extent ? r.index : extent - 1;
    r.tap = at - r.index * stride;
    r.count = r.tap < kernel ? (kernel - 1 - r.tap) / stride + 1 : 0;
    r.count = r.count <= r.index ? r.count : r.index + 1;
    return r;
}

/* l->acc[i] += sum_k (x[k] + offset) * w[k * l->count + i]: what each variant has its own of. */
void es_transposed_add_run(es_lanes_t *l, const int8_t *x, uint32_t run, const int8_t *w,
                           int32_t offset);

static inline void es_transposed_add_window(es_lanes_t *l, const es_transpose_conv_params_t *p,
                                            const es_rows_t *in, const es_reach_t *ry,
                                            const es_reach_t *rx, const int8_t *weights) {
    const uint32_t depth = in->c;

    for (uint32_t i = 0; i < ry->count; i++) {
        const int8_t *x = (const int8_t *)es_row(in, ry->index - i) + rx->index * depth;
        const uint32_t tap = (ry->tap + i * p->stride_h) * p->kernel_w + rx->tap;
        const int8_t *w = weights + tap * depth * l->count;

        for (uint32_t j = 0; j < rx->count; j++) {
            es_transposed_add_run(l, x - j * depth, depth, w, -p->input_zero_point);
            w += p->stride_w * depth * l->count;
        }
    }
}

static inline void es_transposed_rows(const es_transpose_conv_params_t *p,
                                      const es_transpose_conv_blobs_t *blobs, const es_rows_t *in,
                                      const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const es_output_range_t range = {p->output_zero_point, p->act_min, p->act_max};
    const uint32_t size = (uint32_t)p->kernel_h * p->kernel_w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const es_reach_t ry = es_reach_of(y + p->pad_top, p->stride_h, p->kernel_h, in->h);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++) {
            const es_reach_t rx = es_reach_of(x + p->pad_left, p->stride_w, p->kernel_w, in->w);

            for (uint32_t n = 0; n < out->c;) {
                es_lanes_t l = es_lanes_start(&blobs->channels[n], out->c - n);

                es_transposed_add_window(&l, p, in, &ry, &rx, blobs->weights + n * size);
                es_lanes_finish(&l, q, &blobs->channels[n], &range);
                n += l.count;
                q += l.count;
            }
        }
    }
}

#endif
