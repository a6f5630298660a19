/* RESIZE_BILINEAR, portable. */
#include "es_kernels.h"

void es_resize_bilinear(const es_rows_t *in, const es_rows_t *out, const es_between_t *rows,
                        const es_between_t *columns, uint32_t y0, uint32_t y1) {
    const uint32_t c = out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *top = (const int8_t *)es_row(in, rows[y].low);
        const int8_t *bottom = (const int8_t *)es_row(in, rows[y].high);
        const int32_t down = rows[y].fraction, up = ES_BETWEEN_ONE - down;
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++) {
            const uint32_t low = columns[x].low * c, high = columns[x].high * c;
            const int32_t right = columns[x].fraction, left = ES_BETWEEN_ONE - right;
            const int32_t w0 = up * left, w1 = up * right, w2 = down * left, w3 = down * right;

            for (uint32_t i = 0; i < c; i++) {
                const int32_t sum = top[low + i] * w0 + top[high + i] * w1 + bottom[low + i] * w2 +
                                    bottom[high + i] * w3;
                /* Over 2^20, ties away from zero. */
                *q++ = (int8_t)((sum + (1 << 19) + (sum >> 31)) >> 20);
            }
        }
    }
}
