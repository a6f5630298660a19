/* From scores to decisions: smoothing, a threshold with hysteresis, debounce, and a rest after
 * each.
 *
 * Scores are probabilities with 16 fractional bits, as es_postprocess.h gives them. */
#ifndef ES_DECIDE_H
#define ES_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct es_decide {
    uint32_t *smooth; /* one a class, the caller's */
    uint32_t classes;
    /* Of the difference to a new score, 1 / 2^shift is added a frame: 0 smooths nothing. */
    uint32_t shift;
    uint32_t on, off;   /* a class is seen from `on` on, until it is below `off` <= on */
    uint32_t debounce;  /* frames in a row that it must be seen; at least 1 */
    uint32_t rest;      /* frames after a decision in which there is no other */
    int32_t seen;       /* the class that is seen now, or -1 */
    uint32_t in_a_row;  /* frames it has been seen */
    uint32_t resting;   /* frames of rest that are left */
    uint32_t decisions; /* so far */
} es_decide_t;

/* Nothing seen, nothing smoothed. */
void es_decide_start(es_decide_t *decide);

/* The class that has just been decided on, once each time it is seen anew; -1 otherwise. */
int32_t es_decide(es_decide_t *decide, const uint32_t *scores);

/* A small model wakes a large one: from the frame in which it sees something, for `hold` more. */
typedef struct es_gate {
    uint32_t threshold, hold;
    uint32_t left;          /* frames that it stays open without being seen */
    uint32_t looked, woken; /* frames it has looked at, and let through */
} es_gate_t;

/* Whether the large model is to run on this frame. */
bool es_gate(es_gate_t *gate, uint32_t score);

#ifdef __cplusplus
}
#endif

#endif
