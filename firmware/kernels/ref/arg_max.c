/* ARG_MAX, portable. */
#include "es_kernels.h"

void es_arg_max(const es_arg_max_params_t *p, const es_rows_t *in, const es_rows_t *out,
                uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        uint8_t *q = es_row(out, y);

        for (uint32_t i = 0; i < p->inner; i++) {
            int8_t best = x[i];
            uint32_t at = 0;
            for (uint32_t k = 1; k < p->axis; k++) {
                if (x[k * p->inner + i] > best) {
                    best = x[k * p->inner + i];
                    at = k;
                }
            }
            __builtin_memcpy(q, &at, sizeof at);
            for (uint32_t b = sizeof at; b < out->element_bytes; b++) {
                q[b] = 0; /* the upper half of an int64 */
            }
            q += out->element_bytes;
        }
    }
}
