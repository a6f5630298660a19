/* Time stamps of the base commands: lines of text, or in energy mode pulses on a pin. */
#ifndef BENCH_STAMP_H
#define BENCH_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#ifndef ES_ENERGY_MODE
#define ES_ENERGY_MODE 0
#endif

static const bool stamp_by_pulse = ES_ENERGY_MODE != 0;

/* Gets pin and console ready, says which mode it is, and stamps once: the pin is high then. Ends in
 * es_port_fatal() where energy mode was built in and the port cannot do it. */
void stamp_start(void);

void stamp(uint64_t microseconds);

#endif
