/* RESIZE_NEAREST_NEIGHBOR, portable. */
#include "es_kernels.h"
#include "es_move.h"

void es_resize_nearest(const es_rows_t *in, const es_rows_t *out, const uint16_t *rows,
                       const uint16_t *columns, uint32_t y0, uint32_t y1) {
    const uint32_t run = out->c * out->element_bytes;

    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *from = es_row(in, rows[y]);
        uint8_t *to = es_row(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            es_move_bytes(to, from + columns[x] * run, run);
            to += run;
        }
    }
}
