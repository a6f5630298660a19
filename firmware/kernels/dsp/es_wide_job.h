/* What fully_connected_wide.c asks of fully_connected_wide.S, which knows the order of all
 * fields. */
#ifndef ES_WIDE_JOB_H
#define ES_WIDE_JOB_H

#include "es_wide.h"

/* One input times the weights of some blocks of four channels. */
typedef struct es_wide_job {
    /* Of es_wide_whole. */
    int8_t *out;
    const es_wide_block_t *blocks;
    const int8_t *out_end; /* `out` and whole blocks */
    /* Of both. */
    const void *x;    /* the elements: bytes, or halves as es_wide_widen() makes them */
    const void *body; /* behind the quads that passes of eight leave over; the end where there are
                         no passes or no quads left over */
    const void *end;
    void (*dot)(void);
    const int16_t *weights;
} es_wide_job_t;

/* Writes all outputs of the blocks, not yet clamped to less than int8. */
void es_wide_whole(es_wide_job_t *job);

/* Adds to the sums of a single block. */
void es_wide_add(const es_wide_job_t *job, uint32_t sums[ES_WIDE_BLOCK]);

/* What a job's `dot` can be, the latter where passes leave no quad over.
 * Passes need an aligned input. They are only for es_wide_whole and es_wide_add to call. */
void es_wide_dot_bytes(void);
void es_wide_dot_bytes_passes(void);
void es_wide_dot_halves(void);
void es_wide_dot_halves_passes(void);

/* Widens `quads` times four bytes: taps 0 and 2, then taps 1 and 3. At least one quad. */
void es_wide_widen(int16_t *to, const int8_t *from, uint32_t quads);

#endif
