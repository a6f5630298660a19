/* SVDF, portable. */
#include "es_kernels.h"

static int32_t feature(const int8_t *x, const int8_t *w, uint32_t depth, int32_t offset) {
    uint32_t acc = (uint32_t)offset;

    for (uint32_t k = 0; k < depth; k++) {
        acc += (uint32_t)(x[k] * w[k]);
    }
    return (int32_t)acc;
}

/* Moves a filter's memory down by one, puts `newest` on top, and weighs it all. */
static uint32_t remember(int16_t *state, const int16_t *w, uint32_t memory, int32_t newest) {
    uint32_t acc = 0;

    for (uint32_t m = 0; m + 1 < memory; m++) {
        state[m] = state[m + 1];
        acc += (uint32_t)(state[m] * w[m]);
    }
    state[memory - 1] = (int16_t)newest;
    return acc + (uint32_t)(newest * w[memory - 1]);
}

void es_svdf(const es_svdf_params_t *p, const es_svdf_blobs_t *blobs, const es_rows_t *in,
             const es_rows_t *state, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        int16_t *memory = (int16_t *)(void *)es_row(state, y);
        int8_t *q = (int8_t *)es_row(out, y);
        const int8_t *wf = blobs->weights_feature;
        const int16_t *wt = blobs->weights_time;
        const int32_t *offset = blobs->offsets;

        for (uint32_t unit = 0; unit < out->c; unit++) {
            uint32_t acc = (uint32_t)blobs->biases[unit];
            for (uint32_t r = 0; r < p->rank; r++) {
                const int32_t dot = feature(x, wf, depth, *offset++);
                const int32_t newest = es_clamp(
                    es_requantize(dot, p->state_multiplier, p->state_shift), INT16_MIN, INT16_MAX);
                acc += remember(memory, wt, p->memory, newest);
                wf += depth;
                wt += p->memory;
                memory += p->memory;
            }
            const int32_t value =
                es_requantize((int32_t)acc, p->output_multiplier, p->output_shift);
            q[unit] =
                (int8_t)es_clamp(es_wrapping_add(value, p->output_zero_point), INT8_MIN, INT8_MAX);
        }
    }
}
