/* One sum a channel over elements that come in rows of any length. */
#ifndef ES_SUMS_H
#define ES_SUMS_H

#include "edgeserve.h"

/* Element k of the tensor, counted from its first row on, is one of channel k % `channels`. Adds
 * input rows [y0, y1) to their channels' sums, which wrap; `mask` is 0xFF where the elements are
 * taken as uint8, else -1. */
static inline void es_sum_channels(const es_rows_t *in, uint32_t *sums, uint32_t channels,
                                   int32_t mask, uint32_t y0, uint32_t y1) {
    const uint32_t length = in->w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y), *end = x + length;
        uint32_t c = length % channels != 0 ? y * length % channels : 0;

        for (; x != end; x++) {
            sums[c] += (uint32_t)(*x & mask);
            c = c + 1 == channels ? 0 : c + 1;
        }
    }
}

#endif
