/* The sensor loop on the bench: the ring is real, and arrivals are replayed on a virtual clock. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include "bench_arrivals.h"
#include "es_loop.h"

#include <stdbool.h>
#include <stdint.h>

enum { BENCH_LOOP_RING = 64 };

typedef struct bench_loop_setup {
    uint32_t capacity; /* 1 to BENCH_LOOP_RING */
    es_full_t when_full;
    uint32_t deadline; /* virtual ticks; 0: none */
} bench_loop_setup_t;

/* The clock counts the units of `es info`, and only while a frame is inferred or nobody waits: what
 * the replay itself costs does not count. An arrival that says what its inference takes is charged
 * just that; for the others the model runs, on the input that is loaded, the same each time. */
void bench_loop_start(const bench_loop_setup_t *setup, uint32_t frames, arrival_source_t arrive);
void bench_loop_stop(void);
bool bench_loop_is_running(void);

/* Takes the replay one frame further. */
void bench_loop_step(void);

/* Lines m-es-loop-... */
void bench_loop_say(void);

uint32_t bench_loop_ram_bytes(void);

#endif
