/* What depthwise_pairs.c asks of depthwise_pairs.S, which knows the order of all fields.
 *
 * Columns are one pixel of four channels each: for each channel two words, rows 0 and 1 of the
 * window in the first, rows 2 and 3 in the second, each the lower row in its lower half. */
#ifndef ES_DEPTHWISE_PAIRS_H
#define ES_DEPTHWISE_PAIRS_H

#include <stdint.h>

enum { ES_COLUMN_CHANNELS = 4, ES_COLUMN_ROWS = 4 };

typedef int16_t es_column_t[ES_COLUMN_CHANNELS][ES_COLUMN_ROWS];

typedef struct es_packing {
    const int8_t *rows[ES_COLUMN_ROWS]; /* the first byte of each */
    uint32_t step;                      /* from pixel to pixel, in bytes */
    uint32_t end;                       /* behind the last pixel, from the first: not 0 */
    es_column_t *columns;
} es_packing_t;

/* Packs four bytes of each pixel: of all four rows, or of the first three. */
void es_depthwise_pack_4(const es_packing_t *packing);
void es_depthwise_pack_3(const es_packing_t *packing);

typedef struct es_depthwise_job {
    uint32_t step; /* from output pixel to output pixel, in bytes */
    const int16_t *columns;
    int8_t *out_0, *out_1; /* the first pixel of each output row */
    uint32_t span_bytes;   /* of the columns that all pairs of pixels begin at */
    const uint32_t *stream;
    uint32_t channels; /* 1 to 4, neighbours */
    uint32_t is_odd;   /* one pixel more behind the pairs */
} es_depthwise_job_t;

/* A 3x3 window. 2x1: two output rows, stride 1. 1x1: one row, stride 1. 1x2: one row, columns by
 * stride 2. The first three only where no result may be below the zero point. */
void es_depthwise_relu_2x1(const es_depthwise_job_t *job);
void es_depthwise_relu_1x1(const es_depthwise_job_t *job);
void es_depthwise_relu_1x2(const es_depthwise_job_t *job);
void es_depthwise_any_2x1(const es_depthwise_job_t *job);
void es_depthwise_any_1x1(const es_depthwise_job_t *job);
void es_depthwise_any_1x2(const es_depthwise_job_t *job);

#endif
