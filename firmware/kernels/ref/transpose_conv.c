/* TRANSPOSE_CONV, portable: each output pixel gathers the input pixels that reach it. */
#include "es_conv.h"
#include "es_kernels.h"

/* The input indices that reach an output index: index - i through tap + i * stride, i < count. */
typedef struct reach {
    uint32_t index, tap, count;
} reach_t;

/* `at` is the output index plus the padding before. */
static reach_t reach_of(uint32_t at, uint32_t stride, uint32_t kernel, uint32_t extent) {
    reach_t r = {.index = at / stride};

    r.index = r.index < extent ? r.index : extent - 1;
    r.tap = at - r.index * stride;
    r.count = r.tap < kernel ? (kernel - 1 - r.tap) / stride + 1 : 0;
    r.count = r.count <= r.index ? r.count : r.index + 1;
    return r;
}

/* acc[i] += sum_k (x[k] + offset) * w[k * count + i] */
static void add_run(es_lanes_t *l, const int8_t *x, uint32_t run, const int8_t *w, int32_t offset) {
    const int8_t *end = x + run;
    uint32_t a0 = l->acc[0], a1 = l->acc[1], a2 = l->acc[2], a3 = l->acc[3];

    if (l->count == 4) {
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
    l->acc[0] = a0, l->acc[1] = a1, l->acc[2] = a2, l->acc[3] = a3;
}

static void add_window(es_lanes_t *l, const es_transpose_conv_params_t *p, const es_rows_t *in,
                       const reach_t *ry, const reach_t *rx, const int8_t *weights) {
    const uint32_t depth = in->c;

    for (uint32_t i = 0; i < ry->count; i++) {
        const int8_t *x = (const int8_t *)es_row(in, ry->index - i) + rx->index * depth;
        const uint32_t tap = (ry->tap + i * p->stride_h) * p->kernel_w + rx->tap;
        const int8_t *w = weights + tap * depth * l->count;

        for (uint32_t j = 0; j < rx->count; j++) {
            add_run(l, x - j * depth, depth, w, -p->input_zero_point);
            w += p->stride_w * depth * l->count;
        }
    }
}

void es_transpose_conv(const es_transpose_conv_params_t *p, const es_transpose_conv_blobs_t *blobs,
                       const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const es_output_range_t range = {p->output_zero_point, p->act_min, p->act_max};
    const uint32_t size = (uint32_t)p->kernel_h * p->kernel_w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const reach_t ry = reach_of(y + p->pad_top, p->stride_h, p->kernel_h, in->h);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++) {
            const reach_t rx = reach_of(x + p->pad_left, p->stride_w, p->kernel_w, in->w);

            for (uint32_t n = 0; n < out->c;) {
                es_lanes_t l = es_lanes_start(&blobs->channels[n], out->c - n);

                add_window(&l, p, in, &ry, &rx, blobs->weights + n * size);
                es_lanes_finish(&l, q, &blobs->channels[n], &range);
                n += l.count;
                q += l.count;
            }
        }
    }
}
