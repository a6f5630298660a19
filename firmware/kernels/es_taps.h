/* Which taps of a window lie inside the image. */
#ifndef ES_TAPS_H
#define ES_TAPS_H

#include <stdint.h>

/* Taps [first, end) of a window read inside the image. */
typedef struct es_taps {
    uint32_t first, end;
} es_taps_t;

/* Tap k reads index start + k * dilation of [0, extent). Needs start + taps * dilation < 2^31. */
static inline es_taps_t es_taps(int32_t start, uint32_t extent, uint32_t dilation, uint32_t taps) {
    const int32_t left = (int32_t)extent - start; /* from tap 0 to the end of the image */
    es_taps_t t = {0, 0};

    if (start < 0) {
        t.first = ((uint32_t)-start + dilation - 1u) / dilation;
        t.first = t.first < taps ? t.first : taps;
    }
    if (left > 0) {
        t.end = ((uint32_t)left + dilation - 1u) / dilation;
        t.end = t.end < taps ? t.end : taps;
    }
    return t;
}

#endif
