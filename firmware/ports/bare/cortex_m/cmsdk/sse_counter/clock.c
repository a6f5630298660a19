/* The system counter of Arm's SSE-300 subsystem, which has 64 bits. */
#include "devices.h"
#include "es_port.h"

#include "board.h"

#define CONTROL (*(volatile uint32_t *)BOARD_COUNTER_CONTROL)
#define LOW     (*(volatile uint32_t *)BOARD_COUNTER)
#define HIGH    (*(volatile uint32_t *)(BOARD_COUNTER + 4u))

void clock_run(int on) {
    CONTROL = on ? 1 : 0;
}

void clock_start(void) {
    clock_run(1);
}

/* The low half may have wrapped between two looks at the high one; then it was small, or large. No
 * branch: it must cost the same every time. */
uint64_t es_port_ticks(void) {
    const uint32_t before = HIGH, low = LOW, after = HIGH;
    const uint32_t high = after - ((after - before) & low >> 31);
    return (uint64_t)high << 32 | low;
}

uint32_t es_port_ticks_hz(void) {
    return BOARD_TICKS_HZ;
}

const char *es_port_time_source(void) {
    return "SSE-300 system counter";
}
