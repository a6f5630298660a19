/* CONCATENATION and PACK, portable. */
#include "es_kernels.h"
#include "es_move.h"

void es_concatenation(const es_rows_t *in, const es_rows_t *out, uint32_t first, uint32_t y0,
                      uint32_t y1) {
    const uint32_t run = in->c * in->element_bytes;
    const uint32_t pitch = out->c * out->element_bytes;

    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *from = es_row(in, y);
        uint8_t *to = es_row(out, y) + first * out->element_bytes;
        for (uint32_t x = 0; x < out->w; x++) {
            es_move_bytes(to + x * pitch, from + x * run, run);
        }
    }
}
