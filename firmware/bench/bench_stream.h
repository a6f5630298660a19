/* Inputs that come row by row over the line while the model runs. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdbool.h>
#include <stdint.h>

/* From the next run on the host is asked for each row, and has `deadline_ms` to send it. False
 * where the model was not planned to take its input by rows. */
bool stream_start(uint32_t deadline_ms);
void stream_stop(void); /* rows come from the loaded input again */
bool stream_is_on(void);

/* Before and after a run: forgets, and tells, the row that did not come (null when all did). */
void stream_begin(void);
const char *stream_fault(void);

#endif
