/* Data movement with constant strides, portable. */
#include "es_kernels.h"
#include "es_move.h"

/* The innermost dimension. */
static void copy_run(uint8_t *to, const uint8_t *from, uint32_t n, ptrdiff_t step, uint32_t bytes) {
    if (step == (ptrdiff_t)bytes) {
        es_move_bytes(to, from, n * bytes);
        return;
    }
    for (; n > 1; n--) {
        es_move_bytes(to, from, bytes);
        to += bytes;
        from += step;
    }
    es_move_bytes(to, from, bytes);
}

/* The same for single bytes, the usual case. */
static void copy_bytes(uint8_t *to, const uint8_t *from, uint32_t n, ptrdiff_t step) {
    for (uint32_t i = 0; i + 1 < n; i++) {
        to[i] = *from;
        from += step;
    }
    to[n - 1] = *from;
}

static void copy_row(const es_copy_params_t *p, uint8_t *to, const uint8_t *from, uint32_t bytes) {
    const uint32_t n = p->dims[ES_COPY_DIMS - 1];
    const ptrdiff_t step = (ptrdiff_t)p->strides[ES_COPY_DIMS - 1] * (ptrdiff_t)bytes;
    uint32_t index[ES_COPY_DIMS] = {0};
    uint32_t d;

    do {
        if (bytes == 1 && step != 1) {
            copy_bytes(to, from, n, step);
        } else {
            copy_run(to, from, n, step, bytes);
        }
        to += n * bytes;
        for (d = ES_COPY_DIMS - 2; d > 0; d--) {
            const ptrdiff_t stride = (ptrdiff_t)p->strides[d] * (ptrdiff_t)bytes;
            if (++index[d] < p->dims[d]) {
                from += stride;
                break;
            }
            from -= (ptrdiff_t)(p->dims[d] - 1) * stride;
            index[d] = 0;
        }
    } while (d > 0);
}

void es_copy(const es_copy_params_t *p, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
             uint32_t y1) {
    const uint32_t bytes = out->element_bytes;

    for (uint32_t y = y0; y < y1; y++) {
        const uint32_t row = p->first_row + y * (uint32_t)p->row_step;
        const uint32_t first = p->start + y * (uint32_t)p->strides[0];
        copy_row(p, es_row(out, y), es_row(in, row) + first * bytes, bytes);
    }
}
