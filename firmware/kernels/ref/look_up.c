/* Any function of one 8-bit element, as a table. */
#include "es_kernels.h"

void es_look_up(const es_rows_t *in, const es_rows_t *out, const uint8_t table[256], uint32_t y0,
                uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *x = es_row(in, y);
        uint8_t *q = es_row(out, y);
        uint8_t *const end = q + n, *const fours_end = q + n / 4 * 4;

        /* All four are read before the first is written, which may lie over them. */
        while (q != fours_end) {
            const uint8_t q0 = table[x[0]], q1 = table[x[1]], q2 = table[x[2]], q3 = table[x[3]];
            *q++ = q0, *q++ = q1, *q++ = q2, *q++ = q3;
            x += 4;
        }
        while (q != end) {
            *q++ = table[*x++];
        }
    }
}
