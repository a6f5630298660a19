/* FULLY_CONNECTED of float32, portable: four channels at once, the last ones one by one. */
#include "es_floats.h"
#include "es_runs.h"

void es_fully_connected_float(const es_fully_connected_float_params_t *p, const float *weights,
                              const float *biases, const es_rows_t *in, const es_rows_t *out,
                              uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const float *x = es_row_float(in, y);
        float *q = es_row_float(out, y);
        for (uint32_t n = 0, lanes; n < out->c; n += lanes) {
            const float *w = weights + n * depth;
            float sums[ES_RUN_LANES] = {0.0f};
            lanes = n + ES_RUN_LANES <= out->c ? ES_RUN_LANES : 1;
            if (lanes == ES_RUN_LANES) {
                es_add_runs_float(sums, x, w, depth, depth);
            } else {
                es_add_run_float(sums, x, w, depth);
            }
            for (uint32_t lane = 0; lane < lanes; lane++) {
                q[n + lane] = es_clamp_float(sums[lane] + biases[n + lane], p->act_min, p->act_max);
            }
        }
    }
}
