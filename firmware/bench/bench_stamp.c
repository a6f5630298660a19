/* Time stamps of the base commands: lines of text, or in energy mode pulses on a pin. */
#include "bench_stamp.h"

#include "bench_model.h"
#include "bench_text.h"
#include "es_port.h"

enum { ENERGY_BAUD = 9600 }; /* what the benchmark's interface board speaks */

void stamp_start(void) {
    if (stamp_by_pulse) {
        if (!es_port_console_baud(ENERGY_BAUD)) {
            es_port_fatal("energy mode: this port cannot change its baud rate");
        }
        if (!es_port_pulse_start()) {
            es_port_fatal("energy mode: this port has no pin for time stamps");
        }
    }
    text_put(stamp_by_pulse ? "m-timestamp-mode-energy\r\n" : "m-timestamp-mode-performance\r\n");
    stamp(bench_microseconds());
}

void stamp(uint64_t microseconds) {
    if (stamp_by_pulse) {
        es_port_flush(); /* nothing else draws current while the meter looks */
        es_port_pulse();
        return;
    }
    text_put("m-lap-us-");
    text_number(microseconds);
    text_end();
}
