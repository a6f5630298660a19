/* Several sensors in one set of frames: parts that belong together in time.
 *
 * Each sensor offers its part with the time at which it was taken. A set is whole when every part
 * is new and no two are further apart than the jitter budget; of parts that are, the earlier one is
 * dropped and waited for again. When the set is not whole `timeout` ticks after its wait began,
 * the parts that lack are those of the set before, or there is no set, as the policy says.
 *
 *     es_frame_set_offer(&set, CAMERA, now);      where its bytes lie is the caller's affair
 *     switch (es_frame_set_poll(&set, now)) ... */
#ifndef ES_FRAME_SET_H
#define ES_FRAME_SET_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct es_part {
    uint64_t at;        /* of the newest part */
    bool is_new;        /* not yet in a set */
    bool is_known;      /* there was one, ever */
    uint32_t missed;    /* sets in a row that went without a new one */
    uint32_t reused;    /* how often an earlier part stood in */
    uint32_t discarded; /* parts too far from the others in time, or overtaken by a newer one */
} es_part_t;

typedef enum es_missing {
    ES_MISSING_PREVIOUS, /* the part of the set before stands in, where there was one */
    ES_MISSING_SKIP,     /* there is no set */
} es_missing_t;

typedef enum es_set_state {
    ES_SET_WAITING,
    ES_SET_WHOLE,   /* all parts are new, within the budget */
    ES_SET_PATCHED, /* some are those of the set before */
    ES_SET_SKIPPED, /* the time was over: what was there of it is gone */
} es_set_state_t;

typedef struct es_frame_set {
    es_part_t *parts; /* the caller's, one a sensor */
    uint32_t count;
    uint64_t jitter, timeout; /* ticks */
    es_missing_t when_missing;
    uint64_t since; /* when the wait for this set began */
    uint32_t whole, patched, skipped;
} es_frame_set_t;

/* The wait for the first set begins `now`. */
void es_frame_set_start(es_frame_set_t *set, uint64_t now);
void es_frame_set_offer(es_frame_set_t *set, uint32_t sensor, uint64_t at);

/* Any answer but ES_SET_WAITING ends the set, and the wait for the next one begins. */
es_set_state_t es_frame_set_poll(es_frame_set_t *set, uint64_t now);

/* The first sensor that has been missed `sets` times in a row or more; `count` when none is. */
uint32_t es_frame_set_hung(const es_frame_set_t *set, uint32_t sets);

#ifdef __cplusplus
}
#endif

#endif
