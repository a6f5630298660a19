/* The watchdog of Arm's Cortex-M System Design Kit: an NMI when its time is over, and a reset when
 * it is over once more. */
#include "devices.h"
#include "es_port.h"

#include "board.h"

typedef struct watchdog {
    volatile uint32_t load, value, ctrl, clear, raw, masked;
} watchdog_t;

#define WATCHDOG ((watchdog_t *)BOARD_WATCHDOG)
#define LOCK     (*(volatile uint32_t *)(BOARD_WATCHDOG + 0xC00u))

enum { UNLOCK = 0x1ACCE551, INTERRUPT_AND_RESET = 3 };

static uint32_t limit; /* in its own ticks; 0: nobody has started it */

/* In QEMU 7.2 it counts from reset on, and without its interrupt. */
static int counting = 1;

int es_port_watchdog_start(uint32_t timeout_ms) {
    const uint64_t ticks = (uint64_t)timeout_ms * BOARD_WATCHDOG_HZ / 1000;
    limit = ticks == 0 ? 1 : ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
    es_port_watchdog_feed();
    return 1;
}

void es_port_watchdog_feed(void) {
    if (limit != 0) {
        counting = 1;
        LOCK = UNLOCK;
        WATCHDOG->clear = 1;
        WATCHDOG->load = limit;
        WATCHDOG->ctrl = INTERRUPT_AND_RESET;
        LOCK = 0;
    }
}

int watchdog_is_started(void) {
    return limit != 0;
}

/* With nothing to count it stops there as well, and has counted to its end once; a second time
 * would be a reset at the next feed. */
void watchdog_pause(void) {
    if (counting) {
        counting = 0;
        LOCK = UNLOCK;
        WATCHDOG->ctrl = 0;
        WATCHDOG->load = 0;
        LOCK = 0;
    }
}
