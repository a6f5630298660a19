/* Arrivals of a recorded trace: the host hands them over while the loop replays them. */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include "bench_arrivals.h"

/* A trace of so many frames begins; each character of a block is awaited for so long. */
void trace_begin(uint32_t frames, uint32_t deadline_ms);

/* Asks the host for a block when the last one is used up. */
bool trace_next(arrival_t *next);

/* Null, or why the trace ended before its last frame. */
const char *trace_fault(void);

uint32_t trace_ram_bytes(void);

#endif
