/* What fully_connected_pairs.c asks of fully_connected_pairs.S, which knows the order of all
 * fields. */
#ifndef ES_DENSE_PAIRS_H
#define ES_DENSE_PAIRS_H

#include "es_dense.h"

/* One input times the weights of some blocks of four channels. */
typedef struct es_dense_job {
    const void *x;    /* the elements: bytes, or halves as es_dense_widen() makes them */
    const void *body; /* behind the quads that passes of eight leave over; the end where there are
                         no passes or no quads left over */
    void (*dot)(void);
    /* Of es_dense_whole. */
    int32_t addend; /* one, and twice the output's zero point */
    int8_t *out;
    const es_pairs_block_t *blocks;
    const int8_t *out_end; /* `out` and whole blocks */
    /* Of both. */
    const void *end;
    const int16_t *weights;
    /* Of es_dense_sums. */
    uint32_t skip; /* bytes of weights from where a block's taps end to the next block's */
    uint32_t *sums;
    const uint32_t *sums_end; /* `sums` and whole blocks */
} es_dense_job_t;

/* Writes all outputs of the blocks, not yet clamped to less than int8. */
void es_dense_whole(es_dense_job_t *job);

/* Taps of which no sum of products leaves 24 bits, whatever they are. */
#define ES_DENSE_RUN 504

/* Adds to the sums of the blocks: at most ES_DENSE_RUN taps. */
void es_dense_sums(es_dense_job_t *job);

/* What a job's `dot` can be, the latter where passes leave no quad over.
 * Passes need an aligned input. They are only for es_dense_whole and es_dense_sums to call. */
void es_dense_dot_bytes(void);
void es_dense_dot_bytes_passes(void);
void es_dense_dot_halves(void);
void es_dense_dot_halves_passes(void);

/* Widens `quads` times four bytes: taps 0 and 2, then taps 1 and 3. At least one quad. */
void es_dense_widen(int16_t *to, const int8_t *from, uint32_t quads);

#endif
