/* GATHER, portable. */
#include "es_kernels.h"
#include "es_move.h"

void es_gather(const es_gather_params_t *p, const es_rows_t *in, const int32_t *indices,
               const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t run = p->inner_bytes;

    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *from = es_row(in, y);
        uint8_t *to = es_row(out, y);
        for (uint32_t i = 0; i < p->indices; i++) {
            const int32_t index = es_clamp(indices[i], 0, (int32_t)p->axis - 1);
            es_move_bytes(to, from + (uint32_t)index * run, run);
            to += run;
        }
    }
}
