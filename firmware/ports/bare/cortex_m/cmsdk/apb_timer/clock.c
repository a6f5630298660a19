/* A clock of 64 bits from the CMSDK's two timers of 32. */
#include "devices.h"
#include "es_port.h"

#include "board.h"

typedef struct timer {
    volatile uint32_t ctrl, value, reload, interrupt;
} timer_t;

typedef struct dual_timer {
    volatile uint32_t load, value, ctrl, clear, raw, masked, background;
} dual_timer_t;

#define TIMER      ((timer_t *)BOARD_TIMER)
#define DUAL_TIMER ((dual_timer_t *)BOARD_DUAL_TIMER)

enum { DUAL_ON_32_BIT_BY_256 = 0x8A }; /* on, free running, clock / 256, 32 bits */

void clock_run(int on) {
    TIMER->ctrl = on ? 1 : 0;
    DUAL_TIMER->ctrl = on ? DUAL_ON_32_BIT_BY_256 : 0;
}

void clock_start(void) {
    TIMER->reload = 0xFFFFFFFFu;
    TIMER->value = 0xFFFFFFFFu;
    DUAL_TIMER->load = 0xFFFFFFFFu;
    clock_run(1);
}

/* The timer counts the low 32 bits. The second one is 256 times slower and tells how often the
 * first has wrapped, so that no interrupt is needed while interrupts are off. */
uint64_t es_port_ticks(void) {
    const uint32_t fine = ~TIMER->value;
    const uint64_t coarse = (uint64_t)~DUAL_TIMER->value << 8;
    const uint64_t wraps = (coarse - fine + 0x80000000u) >> 32;
    return (wraps << 32) + fine;
}

uint32_t es_port_ticks_hz(void) {
    return BOARD_TICKS_HZ;
}

const char *es_port_time_source(void) {
    return "CMSDK timer 0";
}
