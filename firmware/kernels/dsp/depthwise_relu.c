/* DEPTHWISE_CONV_2D by pairs of rows, for cores with SMLAD: 3x3 windows without negative results.
 * Its C twin is ../ref/depthwise_relu.c, its inner loops are in depthwise_relu.S. */
#include "es_depthwise_walk.h"

static inline void multiply(const walk_t *walk, uint32_t rows, const es_depthwise_job_t *job) {
    const uint32_t stride = walk->params->stride_w;

    if (rows == 1 && stride == 1) {
        es_depthwise_relu_1_by_1(job);
    } else if (rows == 1) {
        es_depthwise_relu_1_by_2(job);
    } else if (stride == 1) {
        es_depthwise_relu_2_by_1(job);
    } else {
        es_depthwise_relu_2_by_2(job);
    }
}

void es_depthwise_relu(const es_depthwise_pairs_params_t *p, const uint32_t *stream,
                       const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                       uint32_t y1) {
    walk_t walk = start_walk(p, stream, in, out, scratch);
    uint32_t rows = es_depthwise_by_two(p) ? 2 : 1;

    for (uint32_t y = y0; y < y1; y += rows) {
        rows = rows < y1 - y ? rows : y1 - y;
        rows_3x3(&walk, y, rows, rows, multiply);
        clamp_rows(&walk, y, rows);
    }
}
