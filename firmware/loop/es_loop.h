/* The sensor loop's memory: frames that wait, what happens when there are too many, what is late.
 *
 *     sensor (often an interrupt)                  main loop
 *     place = es_loop_place(&loop);                frame = es_loop_begin(&loop, now);
 *     ... write the frame at place ...             ... preprocess, infer, decide, act ...
 *     es_loop_arrived(&loop, now);                 es_loop_finish(&loop, now);
 *
 * Time is what the caller says it is, in ticks of any length: es_port_ticks() on a device, virtual
 * ticks in a replay. Nothing here reads a clock, allocates or prints. One frame is in hand between
 * begin and finish, and its bytes stay as they are; up to `capacity` others wait. So there are
 * capacity + 1 places, and a frame that arrives always has one to be written to, except under
 * ES_FULL_NEWEST and ES_FULL_STOP when the ring is full.
 *
 * No call may interrupt another one on the same loop: where a sensor's interrupt calls in, the main
 * loop masks interrupts around its own calls (es_port_mask()). */
#ifndef ES_LOOP_H
#define ES_LOOP_H

#include "es_histogram.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What to do with a frame that arrives when `capacity` others wait. */
typedef enum es_full {
    ES_FULL_OLDEST, /* drop the one that has waited longest: the newest picture counts */
    ES_FULL_NEWEST, /* drop the one that arrives: no gap in what is worked on */
    ES_FULL_STOP,   /* drop it and all later ones until es_loop_resume(): a gap must be seen */
} es_full_t;

/* A place in the ring; the place of a frame that is gone stays where it is, for the next. */
typedef struct es_slot {
    uint64_t arrived;
    uint32_t sequence;
    uint32_t place;
} es_slot_t;

typedef struct es_frame {
    const uint8_t *bytes;
    uint64_t arrived;
    uint32_t sequence; /* counts all frames that arrived, also those dropped */
} es_frame_t;

typedef struct es_loop_setup {
    es_slot_t *slots; /* `capacity` of them, at least 1 */
    uint32_t capacity;
    uint8_t *frames; /* (capacity + 1) * frame_bytes; null where frame_bytes is 0 */
    uint32_t frame_bytes;
    es_full_t when_full;
    uint64_t deadline; /* ticks from arrival to finish; 0: none */
    /* Of ticks from arrival to begin, and to finish; null where nobody asks. */
    es_histogram_t *wait, *latency;
} es_loop_setup_t;

typedef struct es_loop_counters {
    uint32_t arrived;  /* all of them: begun + dropped + those that wait now */
    uint32_t dropped;  /* by the policy */
    uint32_t begun;    /* out of the ring */
    uint32_t finished; /* inferred */
    uint32_t late;     /* finished after their deadline */
    uint32_t most_waiting;
    uint64_t busy;   /* ticks between begin and finish */
    uint64_t asleep; /* ticks that es_loop_slept() was told */
} es_loop_counters_t;

/* Treat the fields as private, except `counters`, which may be read. */
typedef struct es_loop {
    es_loop_setup_t setup;
    es_loop_counters_t counters;
    uint32_t head, waiting;
    uint32_t hand; /* the place of the frame in hand, or of none */
    es_frame_t in_hand;
    uint64_t begun_at;
    bool is_busy, is_stopped, has_progressed;
} es_loop_t;

/* Also forgets everything: a loop may be started anew. */
void es_loop_start(es_loop_t *loop, const es_loop_setup_t *setup);

/* Where the next frame may be written; null when the policy will drop it. Under ES_FULL_OLDEST and
 * a full ring this is the place of the oldest frame, which is dropped here and now. */
uint8_t *es_loop_place(es_loop_t *loop);

/* A frame is there, written or not. False when it was dropped. */
bool es_loop_arrived(es_loop_t *loop, uint64_t now);

/* The frame that has waited longest; null when none waits or one is in hand. */
const es_frame_t *es_loop_begin(es_loop_t *loop, uint64_t now);
void es_loop_finish(es_loop_t *loop, uint64_t now);

/* Under ES_FULL_STOP: whether it has stopped, and on with it. */
bool es_loop_is_stopped(const es_loop_t *loop);
void es_loop_resume(es_loop_t *loop);

/* Ticks that were slept between frames: the duty cycle is busy / (busy + asleep). */
void es_loop_slept(es_loop_t *loop, uint64_t ticks);

/* Waiting for a sensor has ended in good order, with a frame or with a timeout that was handled. */
void es_loop_waited(es_loop_t *loop);

/* Whether anything was finished or waited for since it was last asked. Feed the watchdog only then,
 * and a step or a driver that hangs starts the board again. */
bool es_loop_has_progressed(es_loop_t *loop);

/* One line of what happened so far, without an end of line, cut to fit; returns its length.
 * `text` has room for `bytes`, of which the last is a zero. */
uint32_t es_loop_heartbeat(const es_loop_t *loop, char *text, uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif
