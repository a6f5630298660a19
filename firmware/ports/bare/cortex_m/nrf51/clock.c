/* A clock of 64 bits from two timers of the nRF51, and no watchdog: QEMU has none. */
#include "devices.h"
#include "es_port.h"

#include "board.h"

#define REGISTER(timer, offset) (*(volatile uint32_t *)((timer) + (offset)))
#define START(timer)            REGISTER(timer, 0x000u)
#define STOP(timer)             REGISTER(timer, 0x004u)
#define CLEAR(timer)            REGISTER(timer, 0x00Cu)
#define CAPTURE_0(timer)        REGISTER(timer, 0x040u)
#define BIT_MODE(timer)         REGISTER(timer, 0x508u)
#define PRESCALER(timer)        REGISTER(timer, 0x510u)
#define CC_0(timer)             REGISTER(timer, 0x540u)

enum { BITS_32 = 3, SLOWER = 8 };

void clock_run(int on) {
    if (on) {
        START(BOARD_TIMER) = 1, START(BOARD_SLOW_TIMER) = 1;
    } else {
        STOP(BOARD_TIMER) = 1, STOP(BOARD_SLOW_TIMER) = 1;
    }
}

void clock_start(void) {
    PRESCALER(BOARD_TIMER) = 0;
    PRESCALER(BOARD_SLOW_TIMER) = SLOWER;
    BIT_MODE(BOARD_TIMER) = BITS_32;
    BIT_MODE(BOARD_SLOW_TIMER) = BITS_32;
    CLEAR(BOARD_TIMER) = 1, CLEAR(BOARD_SLOW_TIMER) = 1;
    clock_run(1);
}

/* The fast timer counts the low 32 bits; the other, 256 times slower, tells how often it wrapped.
 */
uint64_t es_port_ticks(void) {
    CAPTURE_0(BOARD_TIMER) = 1;
    CAPTURE_0(BOARD_SLOW_TIMER) = 1;
    const uint32_t fine = CC_0(BOARD_TIMER);
    const uint64_t coarse = (uint64_t)CC_0(BOARD_SLOW_TIMER) << SLOWER;
    const uint64_t wraps = (coarse - fine + 0x80000000u) >> 32;
    return (wraps << 32) + fine;
}

uint32_t es_port_ticks_hz(void) {
    return BOARD_TICKS_HZ;
}

const char *es_port_time_source(void) {
    return "nRF51 TIMER0";
}

int es_port_watchdog_start(uint32_t timeout_ms) {
    (void)timeout_ms;
    return 0;
}

void es_port_watchdog_feed(void) {}

void watchdog_pause(void) {}
