/* A clock of 64 bits from TIM2 and TIM5 of an STM32F4, F7 or H7, and no watchdog: QEMU has none. */
#include "devices.h"
#include "es_port.h"

#include "board.h"

typedef struct tim {
    volatile uint32_t cr1, cr2, smcr, dier, sr, egr, ccmr1, ccmr2, ccer, cnt, psc, arr;
} tim_t;

#define TIM2           ((tim_t *)0x40000000u)
#define TIM5           ((tim_t *)0x40000C00u)
#define TIMERS_ENABLED (*(volatile uint32_t *)BOARD_RCC_TIMERS)

enum {
    TIM2_AND_TIM5 = 1 << 0 | 1 << 3,
    COUNT = 1,
    UPDATE = 1,
    SLOWER = 8,
};

/* The timers' limit stays as reset leaves it, all 32 bits: QEMU has an event for every other. */
void clock_start(void) {
    TIMERS_ENABLED |= TIM2_AND_TIM5;
    (void)TIMERS_ENABLED; /* the clock is there once the write has arrived */
    TIM5->psc = (1 << SLOWER) - 1;
    TIM2->egr = UPDATE, TIM5->egr = UPDATE;
    clock_run(1);
}

void clock_run(int on) {
    TIM2->cr1 = on ? COUNT : 0;
    TIM5->cr1 = on ? COUNT : 0;
}

/* TIM2 counts the low 32 bits; TIM5, 256 times slower, tells how often it has wrapped. */
uint64_t es_port_ticks(void) {
    const uint32_t fine = TIM2->cnt;
    const uint64_t coarse = (uint64_t)TIM5->cnt << SLOWER;
    const uint64_t wraps = (coarse - fine + 0x80000000u) >> 32;
    return (wraps << 32) + fine;
}

uint32_t es_port_ticks_hz(void) {
    return BOARD_TICKS_HZ;
}

const char *es_port_time_source(void) {
    return "STM32 TIM2";
}

int es_port_watchdog_start(uint32_t timeout_ms) {
    (void)timeout_ms;
    return 0;
}

void es_port_watchdog_feed(void) {}

void watchdog_pause(void) {}
