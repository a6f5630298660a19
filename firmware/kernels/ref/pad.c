/* PAD and PADV2, portable. */
#include "es_kernels.h"
#include "es_move.h"

#include <string.h>

static uint8_t *fill(uint8_t *to, uint32_t value, uint32_t n, uint32_t bytes) {
    if (bytes == 1) {
        memset(to, (int)(value & 0xFFu), n);
        return to + n;
    }
    for (; n != 0; n--) {
        es_move_bytes(to, (const uint8_t *)&value, bytes);
        to += bytes;
    }
    return to;
}

static int is_inside(const es_pad_params_t *p, uint32_t d, uint32_t index) {
    return index >= p->before[d] && index - p->before[d] < p->inner[d];
}

static void pad_row(const es_pad_params_t *p, uint8_t *to, const uint8_t *from, uint32_t bytes) {
    const uint32_t last = ES_PAD_DIMS - 1;
    uint32_t index[ES_PAD_DIMS] = {0};
    uint32_t d;

    do {
        int inside = 1;
        for (d = 1; d < last; d++) {
            inside = inside && is_inside(p, d, index[d]);
        }
        if (inside) {
            const uint32_t run = p->inner[last] * bytes;
            to = fill(to, p->value, p->before[last], bytes);
            es_move_bytes(to, from, run);
            from += run;
            to = fill(to + run, p->value, p->dims[last] - p->before[last] - p->inner[last], bytes);
        } else {
            to = fill(to, p->value, p->dims[last], bytes);
        }
        for (d = last - 1; d > 0; d--) {
            if (++index[d] < p->dims[d]) {
                break;
            }
            index[d] = 0;
        }
    } while (d > 0);
}

void es_pad(const es_pad_params_t *p, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
            uint32_t y1) {
    const uint32_t bytes = out->element_bytes;

    for (uint32_t y = y0; y < y1; y++) {
        if (is_inside(p, 0, y)) {
            pad_row(p, es_row(out, y), es_row(in, y - p->before[0]), bytes);
        } else {
            fill(es_row(out, y), p->value, out->w * out->c, bytes);
        }
    }
}
