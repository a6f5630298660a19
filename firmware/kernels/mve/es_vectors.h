/* The inner loop of the convolutions by vectors. */
#ifndef ES_VECTORS_H
#define ES_VECTORS_H

#include "es_kernels.h"

/* Four windows times the weights of some pairs of channels, and more fours behind them. Assembly
 * reads it: the order is fixed. */
typedef struct es_vectors_product {
    const int8_t *pixels[ES_VECTOR_PIXELS]; /* windows in whole vectors */
    uint32_t vectors;                       /* of a window: at least one */
    const int8_t *stream;
    int8_t *out, *end; /* the first pixel's channels from, to: at least one pair */
    uint16_t offsets[ES_VECTOR_PIXELS][2]; /* of two channels of each pixel's results, from out */
    int32_t act_min, act_max;
    uint32_t negatives;
    uint32_t fours;     /* at least one */
    uint32_t in_bytes;  /* from one four to the next */
    uint32_t out_bytes; /* of results */
} es_vectors_product_t;

void es_vectors_multiply(const es_vectors_product_t *product);

#endif
