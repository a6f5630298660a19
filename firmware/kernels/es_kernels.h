/* Parameter records and prototypes of all kernels.
 *
 * A kernel is a pure function of pointers and parameters: it knows nothing of models, steps or the
 * loop. It computes output rows [y0, y1), top to bottom, and writes nothing outside them. Rows are
 * found by es_row(), so that a whole tensor and a ring buffer are the same thing. The adapter has
 * proven that all it will touch is in bounds.
 *
 * The records mirror src/edgeserve/kernels.py; a test compares every offset. Blobs are offsets from
 * the start of the model table. */
#ifndef ES_KERNELS_H
#define ES_KERNELS_H

#include "edgeserve.h"
#include "es_fixed.h"

typedef struct es_fully_connected_params {
    int32_t output_zero_point;
    int32_t act_min;
    int32_t act_max;
    uint32_t weights;
    uint32_t channels;
} es_fully_connected_params_t;

/* out[y][n] = clamp(requantize_once(bias[n] + sum_k in[y][k] * weights[n][k]) + zero point).
 * in: int8, h rows of in->w * in->c elements. out: int8, h rows of out->c. No aliasing, no scratch.
 */
void es_fully_connected(const es_fully_connected_params_t *params, const es_rows_t *in,
                        const es_rows_t *out, const int8_t *weights, const es_channel_t *channels,
                        uint32_t y0, uint32_t y1);

#endif
