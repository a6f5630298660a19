/* The inner loops of the convolutions over channel pairs, of which each core may have its own.
 *
 * A tile holds the windows of three output pixels, or of two where scratch is short, widened to 16
 * bits: word by word, two taps of each pixel. Its order of taps is the weight stream's. First come
 * quads (of four taps) of the kernel's rows, row by row: taps 0 and 2, then 1 and 3. Then come the
 * one to three taps that they may leave of each row, two by two, filled up to quads with anything.
 */
#ifndef ES_PAIRS_H
#define ES_PAIRS_H

#include "edgeserve.h"
#include "es_kernels.h"

enum { ES_PAIRS_PIXELS = 3, ES_PAIRS_RECORD_WORDS = 7 };
enum { ES_PAIRS_MOST_TAPS = (1 << 24) - 1 };

/* One tile times the weights of some channel pairs. Assembly reads it: the order is fixed. */
typedef struct es_pairs_product {
    int8_t *out[ES_PAIRS_PIXELS]; /* where the first pair's results go, pixel by pixel */
    const int8_t *end;            /* of the pairs, in pixel 0 */
    const uint32_t *tile;
    uint32_t quads; /* at least one */
    const uint32_t *stream;
} es_pairs_product_t;

/* Writes the channels [out[0], end) of the first 1 to 3 pixels of a tile. At least one pair.
 * `negatives`: 0 where the output's least value is its zero point or above, and no pair stands in
 * reverse. */
void es_pairs_multiply(const es_pairs_product_t *product, uint32_t pixels, uint32_t negatives);

/* The same of both pixels of a tile of two. */
void es_pairs_multiply_two(const es_pairs_product_t *product, uint32_t negatives);

/* Some kernel rows of a window, evenly apart: each gives `quads` quads. */
typedef struct es_pairs_band {
    const int8_t *from;
    uint32_t quads, rows, row_step; /* at least one quad, one row */
} es_pairs_band_t;

/* Widens a band of three pixels, which lie `step` bytes apart. */
void es_pairs_pack(uint32_t *tile, const es_pairs_band_t *band, uint32_t step);

/* The same of one pixel, whose first word `to` is; the next lies `apart` bytes on. */
void es_pairs_pack_pixel(uint32_t *to, const es_pairs_band_t *band, uint32_t apart);

/* How the taps of a window become quads. Taps beyond a kernel row stand in its last quad, with
 * weights of zero, where that takes no more quads than to gather what is left of all rows. */
typedef struct es_pairs_shape {
    uint32_t run;       /* taps of a kernel row */
    uint32_t row_quads; /* quads that each kernel row gives alone */
    uint32_t row_left;  /* taps of it beyond them */
    uint32_t quads;     /* of a whole window */
} es_pairs_shape_t;

/* Needs a window of at most ES_PAIRS_MOST_TAPS. */
static inline es_pairs_shape_t es_pairs_shape(uint32_t kernel_h, uint32_t kernel_w, uint32_t c) {
    const uint32_t run = kernel_w * c, left = run % 4;

    if (left > 0) {
        const uint32_t gathered = (left * kernel_h + 3) / 4;
        if (gathered < kernel_h) {
            return (es_pairs_shape_t){run, run / 4, left, run / 4 * kernel_h + gathered};
        }
    }
    return (es_pairs_shape_t){run, (run + 3) / 4, 0, (run + 3) / 4 * kernel_h};
}

/* Words of a tile of so many pixels. */
static inline uint32_t es_pairs_tile_words(uint32_t quads, uint32_t pixels) {
    return 2 * quads * pixels;
}

/* Bytes of an input row that a kernel row reads from its first tap on. */
static inline uint32_t es_pairs_row_bytes(const es_pairs_shape_t *s) {
    return 4 * s->row_quads + s->row_left;
}

/* Columns of the image that it reads. */
static inline uint32_t es_pairs_row_pixels(const es_pairs_shape_t *s, uint32_t c) {
    return (es_pairs_row_bytes(s) + c - 1) / c;
}

#endif
