/* TRANSPOSE_CONV, portable. */
#include "es_transposed.h"

void es_transposed_add_run(es_lanes_t *l, const int8_t *x, uint32_t run, const int8_t *w,
                           int32_t offset) {
    const int8_t *end = x + run;
    uint32_t a0 = l->acc[0], a1 = l->acc[1], a2 = l->acc[2], a3 = l->acc[3];

    if (l->count == 4) {
        for (; x != end; x++, w += 4) {
            const int32_t v = *x + offset;
            a0 += (uint32_t)(v * w[0]);
            a1 += (uint32_t)(v * w[1]);
            a2 += (uint32_t)(v * w[2]);
            a3 += (uint32_t)(v * w[3]);
        }
    } else {
        for (; x != end; x++, w++) {
            a0 += (uint32_t)((*x + offset) * *w);
        }
    }
    l->acc[0] = a0, l->acc[1] = a1, l->acc[2] = a2, l->acc[3] = a3;
}

void es_transpose_conv(const es_transpose_conv_params_t *p, const es_transpose_conv_blobs_t *blobs,
                       const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    es_transposed_rows(p, blobs, in, out, y0, y1);
}
