/* Moving what is kept of a stream to the front of its memory. */
#ifndef ES_SLIDE_H
#define ES_SLIDE_H

#include <stdint.h>
#include <string.h>

/* Drops the first `by` of `total` bytes; pieces of that length never overlap. */
static inline void es_slide(uint8_t *bytes, uint32_t total, uint32_t by) {
    for (uint32_t at = 0; at + by < total; at += by) {
        const uint32_t left = total - by - at;
        memcpy(bytes + at, bytes + at + by, left < by ? left : by);
    }
}

#endif
