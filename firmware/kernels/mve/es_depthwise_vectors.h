/* The inner loops of the depthwise convolutions by vectors. Assembly reads both records: the order
 * is fixed. */
#ifndef ES_DEPTHWISE_VECTORS_H
#define ES_DEPTHWISE_VECTORS_H

#include "es_kernels.h"

/* Columns of up to sixteen channels of four rows. */
typedef struct es_depthwise_packing {
    const int8_t *rows[ES_DEPTHWISE_SIDE]; /* their first column */
    uint32_t steps[ES_DEPTHWISE_SIDE];     /* to the next, in bytes */
    int8_t *to;                            /* [columns][ES_VECTOR][ES_DEPTHWISE_SIDE] */
    uint32_t columns;                      /* at least one */
    uint32_t channels;                     /* at most ES_VECTOR */
} es_depthwise_packing_t;

void es_depthwise_pack(const es_depthwise_packing_t *packing);

/* Neighbouring output pixels of some channels, four results at a time: of two pixels of two rows,
 * or of four pixels of a row. Masks have four bits for each of the four that are written. */
typedef struct es_depthwise_product {
    uint32_t passes;        /* of whole fours */
    uint32_t left;          /* whether there is a part of one behind them */
    uint32_t channel_bytes; /* four bytes for each channel of a column */
    uint32_t mask, mask_left;
    const es_depthwise_channel_t *stream;
    int8_t *out;
    uint32_t step;                        /* from four results to the next, in bytes */
    const int8_t *columns[ES_VECTOR / 4]; /* the first four packed columns */
    uint32_t offsets[ES_VECTOR / 4];      /* of four results, from out */
} es_depthwise_product_t;

/* Two rows, without negatives and with; of the first row alone (`mask`); one row by stride 2. */
void es_depthwise_relu_by_two(const es_depthwise_product_t *product);
void es_depthwise_any_by_two(const es_depthwise_product_t *product);
void es_depthwise_last_by_two(const es_depthwise_product_t *product);
void es_depthwise_relu_by_one(const es_depthwise_product_t *product);
void es_depthwise_any_by_one(const es_depthwise_product_t *product);

#endif
