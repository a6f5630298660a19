/* TRANSPOSE_CONV, portable: each output pixel gathers the input pixels that reach it. */
#include "es_conv.h"
#include "es_kernels.h"

/* The input indices that reach an output index, and their taps: index i through tap
 * `tap + (index - i) * stride`, for the `count` indices down from `index`. */
typedef struct reach {
    uint32_t index, tap, count;
} reach_t;

/* Output `at` takes input i through tap at - i * stride (`at` includes the padding before). */
static reach_t reach_of(uint32_t at, uint32_t stride, uint32_t kernel, uint32_t extent) {
    reach_t r = {.index = at / stride, .tap = at % stride};

    if (r.index >= extent) {
        r.tap += (r.index - (extent - 1)) * stride;
        r.index = extent - 1;
    }
    r.count = r.tap < kernel ? (kernel - 1 - r.tap) / stride + 1 : 0;
    r.count = r.count <= r.index ? r.count : r.index + 1;
    return r;
}

static ES_OUT_OF_LINE void window(const es_transpose_conv_params_t *p, const es_rows_t *in,
                                  const reach_t *ry, const reach_t *rx, es_lanes_t *l) {
    const int8_t *weights = l->weights;
    const uint32_t depth = in->c;

    for (uint32_t i = 0; i < ry->count; i++) {
        const int8_t *row = (const int8_t *)es_row(in, ry->index - i);
        const uint32_t ky = ry->tap + i * p->stride_h;

        for (uint32_t j = 0; j < rx->count; j++) {
            const uint32_t kx = rx->tap + j * p->stride_w;

            l->weights = weights + (ky * p->kernel_w + kx) * depth * l->lanes;
            es_lanes_dot(l, row + (rx->index - j) * depth, depth, -p->input_zero_point);
        }
    }
}

void es_transpose_conv(const es_transpose_conv_params_t *p, const es_transpose_conv_blobs_t *blobs,
                       const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const es_output_range_t range = {p->output_zero_point, p->act_min, p->act_max};
    const uint32_t size = (uint32_t)p->kernel_h * p->kernel_w * in->c;
    es_lanes_t l;

    for (uint32_t y = y0; y < y1; y++) {
        const reach_t ry = reach_of(y + p->pad_top, p->stride_h, p->kernel_h, in->h);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++) {
            const reach_t rx = reach_of(x + p->pad_left, p->stride_w, p->kernel_w, in->w);

            for (uint32_t n = 0; n < out->c; n += l.lanes, q += l.lanes) {
                l.lanes = out->c - n >= 4 ? 4 : 1;
                l.weights = blobs->weights + n * size;
                es_lanes_start(&l, &blobs->channels[n]);
                window(p, in, &ry, &rx, &l);
                es_lanes_finish(&l, q, &blobs->channels[n], &range);
            }
        }
    }
}
