/* Copying bytes, for kernels that move data. */
#ifndef ES_MOVE_H
#define ES_MOVE_H

#include <stdint.h>

/* Copies forwards, a word at a time. Not memcpy(): for runs of a few bytes the call costs more than
 * the copy, and a planner may let an output begin where its dead input rows lie. */
static inline void es_move_bytes(uint8_t *to, const uint8_t *from, uint32_t bytes) {
    uint32_t words[4];

    for (; bytes >= sizeof words; bytes -= sizeof words) {
        __builtin_memcpy(&words[0], from, 4);
        __builtin_memcpy(&words[1], from + 4, 4);
        __builtin_memcpy(&words[2], from + 8, 4);
        __builtin_memcpy(&words[3], from + 12, 4);
        __builtin_memcpy(to, &words[0], 4);
        __builtin_memcpy(to + 4, &words[1], 4);
        __builtin_memcpy(to + 8, &words[2], 4);
        __builtin_memcpy(to + 12, &words[3], 4);
        from += sizeof words;
        to += sizeof words;
    }
    for (; bytes >= 4; bytes -= 4) {
        __builtin_memcpy(&words[0], from, 4);
        __builtin_memcpy(to, &words[0], 4);
        from += 4;
        to += 4;
    }
    for (; bytes != 0; bytes--) {
        *to++ = *from++;
    }
}

#endif
