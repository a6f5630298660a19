/* What depthwise_pairs.c and depthwise_relu.c ask of their assembly, which knows the order of all
 * fields.
 *
 * A column is one pixel of four channels: for each channel the rows of the window as int16, in
 * pairs, the upper row in the lower half of a word. It has two pairs, or three. */
#ifndef ES_DEPTHWISE_PAIRS_H
#define ES_DEPTHWISE_PAIRS_H

#include <stdint.h>

enum { ES_COLUMN_CHANNELS = 4, ES_MOST_ROWS = 5 };

typedef struct es_packing {
    const int8_t *rows[ES_MOST_ROWS]; /* of the first pixel */
    int32_t begin;                    /* minus the bytes of all pixels, of which there are some */
    uint32_t step;                    /* from pixel to pixel, in bytes */
    uint32_t *columns;
    uint32_t ahead; /* of the first byte in each row: what is packed begins there */
} es_packing_t;

/* Packs four bytes of each pixel: two pairs, of which the second may have one row alone; or three,
 * the third of one row. */
void es_depthwise_pack_3(const es_packing_t *packing);
void es_depthwise_pack_4(const es_packing_t *packing);
void es_depthwise_pack_5(const es_packing_t *packing);

typedef struct es_depthwise_job {
    uint32_t step; /* from output pixel to output pixel, in bytes */
    const uint32_t *columns;
    int8_t *out_0, *out_1; /* the first pixel of each output row */
    uint32_t span_bytes;   /* of the columns that all pairs of pixels begin at */
    const uint32_t *stream;
    uint32_t channels; /* 1 to 4, neighbours */
    uint32_t is_odd;   /* one pixel more behind the pairs */
} es_depthwise_job_t;

/* A 3x3 window over one output row or two, by stride 1 or 2 from column to column and from the
 * first row to the second. The ones named relu serve where no result may be below the zero point.
 * Of two rows the second is written first: where both are one, the first remains. */
void es_depthwise_2_by_1(const es_depthwise_job_t *job);
void es_depthwise_2_by_2(const es_depthwise_job_t *job);
void es_depthwise_relu_1_by_1(const es_depthwise_job_t *job);
void es_depthwise_relu_1_by_2(const es_depthwise_job_t *job);
void es_depthwise_relu_2_by_1(const es_depthwise_job_t *job);
void es_depthwise_relu_2_by_2(const es_depthwise_job_t *job);

/* Two taps of a window of any size, one below the other: their weights, doubled, and the distance
 * in bytes of their data from the window's first column. */
typedef struct es_tap_pair {
    uint32_t weights, at;
} es_tap_pair_t;

/* Adds taps [taps, end), of which there is one, to the sums of four pixels, `ahead` bytes apart. */
void es_depthwise_add_taps(const es_tap_pair_t *taps, const es_tap_pair_t *end,
                           const uint32_t *column, uint32_t ahead, int32_t sums[4]);

#endif
