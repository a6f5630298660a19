/* FULLY_CONNECTED of int16, portable. */
#include "es_wide.h"

void es_fully_connected_16(const es_fully_connected_16_params_t *p, const int8_t *weights,
                           const es_channel_16_t *channels, const es_rows_t *in,
                           const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int16_t *x = es_row_16(in, y);
        int16_t *q = es_row_16(out, y);
        const int8_t *w = weights;
        for (uint32_t n = 0; n < out->c; n++) {
            uint64_t sum = (uint64_t)channels[n].bias;
            for (uint32_t k = 0; k < depth; k++) {
                sum += (uint64_t)(int64_t)(x[k] * *w++);
            }
            q[n] = es_finish_16(sum, &channels[n], p->act_min, p->act_max);
        }
    }
}
