/* Four neighbouring channels at a time: sums and maxima over the pixels of a window.
 *
 * Sums of bytes 0 and 2, and of 1 and 3, grow as pairs of int16, which hold 255 of them. */
#ifndef ES_FOUR_BYTES_H
#define ES_FOUR_BYTES_H

#include "edgeserve.h"

#include <arm_acle.h>
#include <string.h>

enum { ES_FOUR = 4, ES_INT16_BYTES = 255 };

/* Pixels of the image, row by row; there is at least one. */
typedef struct es_pixels {
    const es_rows_t *in;
    uint32_t y, rows;
    uint32_t x, columns; /* x in bytes of a row */
    uint32_t step;       /* from pixel to pixel, in bytes */
} es_pixels_t;

typedef struct es_four_sums {
    int32_t sums[ES_FOUR];
} es_four_sums_t;

static inline uint32_t es_four_at(const int8_t *x) {
    uint32_t word;

    memcpy(&word, x, sizeof word);
    return word;
}

/* Adds bytes 0 and 2 of a word, and 1 and 3, to two int16 each. */
static inline void es_add_bytes(uint32_t *even, uint32_t *odd, uint32_t word) {
    __asm("sxtab16 %0, %0, %1" : "+r"(*even) : "r"(word));
    __asm("sxtab16 %0, %0, %1, ror #8" : "+r"(*odd) : "r"(word));
}

static inline void es_take_up(es_four_sums_t *f, uint32_t even, uint32_t odd) {
    f->sums[0] += (int16_t)even;
    f->sums[1] += (int16_t)odd;
    f->sums[2] += (int32_t)even >> 16;
    f->sums[3] += (int32_t)odd >> 16;
}

/* The sums of channels c to c + 3 of some pixels. */
static inline es_four_sums_t es_sum_four(const es_pixels_t *p, uint32_t c) {
    es_four_sums_t f = {{0, 0, 0, 0}};
    uint32_t even = 0, odd = 0, room = ES_INT16_BYTES;
    const uint32_t step = p->step;

    for (uint32_t y = 0; y < p->rows; y++) {
        const int8_t *x = (const int8_t *)es_row(p->in, p->y + y) + p->x + c;

        for (uint32_t left = p->columns; left > 0;) {
            const uint32_t count = left < room ? left : room;

#pragma GCC unroll 4
            for (uint32_t n = count; n > 0; n--, x += step) {
                es_add_bytes(&even, &odd, es_four_at(x));
            }
            left -= count;
            room -= count;
            if (room == 0) {
                es_take_up(&f, even, odd);
                even = odd = 0;
                room = ES_INT16_BYTES;
            }
        }
    }
    es_take_up(&f, even, odd);
    return f;
}

/* The greatest of channels c to c + 3 of some pixels, as bytes of a word. */
static inline uint32_t es_max_four(const es_pixels_t *p, uint32_t c) {
    uint32_t most = 0x80808080;

    for (uint32_t y = 0; y < p->rows; y++) {
        const int8_t *x = (const int8_t *)es_row(p->in, p->y + y) + p->x + c;

        for (uint32_t n = p->columns; n > 0; n--, x += p->step) {
            const uint32_t word = es_four_at(x);
            __ssub8((int8x4_t)word, (int8x4_t)most);
            most = (uint32_t)__sel((uint8x4_t)word, (uint8x4_t)most);
        }
    }
    return most;
}

/* Whole rows that follow one another in memory, as a single one. */
static inline void es_join_rows(es_pixels_t *p) {
    const es_rows_t *in = p->in;

    if (p->columns == in->w && in->row_bytes == in->w * in->c && in->depth == in->h) {
        p->columns *= p->rows;
        p->rows = 1;
    }
}

#endif
