/* Console and processor of a Cortex-M: what is the same on every machine. */
#include "es_port.h"

#include "bare.h"
#include "board.h"
#include "core.h"
#include "devices.h"

enum { RING = 1024 };

/* Filled by the interrupt, emptied by es_port_read(). When it is full the interrupt goes off, and
 * the last character waits in the UART. */
static struct {
    uint8_t data[RING];
    volatile uint32_t head, tail;
    volatile int full;
} ring;

void console_received(void) {
    while (ring.head - ring.tail != RING) {
        const int c = uart_receive();
        if (c < 0) {
            return;
        }
        ring.data[ring.head % RING] = (uint8_t)c;
        ring.head = ring.head + 1;
    }
    ring.full = 1;
    uart_receive_interrupt(0);
}

void es_port_start(void) {
    clock_start();
    uart_start();
    NVIC_ISER[BOARD_UART_IRQ / 32] = 1u << BOARD_UART_IRQ % 32;
}

/* Whether something came before `timeout_ms` was over. */
static int wait(uint32_t timeout_ms) {
    const uint64_t limit = (uint64_t)timeout_ms * (es_port_ticks_hz() / 1000);
    const uint64_t start = es_port_ticks();

    while (ring.head == ring.tail) {
        if (timeout_ms == ES_PORT_FOREVER) {
            watchdog_pause();
            clock_run(0);
            es_port_idle();
            clock_run(1);
            es_port_watchdog_feed();
        } else if (es_port_ticks() - start >= limit) {
            return 0;
        }
    }
    return 1;
}

int es_port_read(uint32_t timeout_ms) {
    if (!wait(timeout_ms)) {
        return ES_PORT_NONE;
    }
    const uint8_t c = ring.data[ring.tail % RING];
    ring.tail = ring.tail + 1;
    if (ring.full) {
        const uint32_t state = es_port_mask();
        ring.full = 0;
        uart_receive_interrupt(1);
        console_received();
        es_port_unmask(state);
    }
    return c;
}

void es_port_write(char c) {
    uart_send(c);
}

void es_port_flush(void) {
    uart_flush();
}

/* Interrupts are off between the last look at the ring and WFI, which they wake all the same. */
void es_port_idle(void) {
    const uint32_t state = es_port_mask();
    if (ring.head == ring.tail) {
        __asm volatile("dsb\n wfi" ::: "memory");
    }
    es_port_unmask(state);
}

uint32_t es_port_mask(void) {
    uint32_t state;
    __asm volatile("mrs %0, primask\n cpsid i" : "=r"(state)::"memory");
    return state;
}

void es_port_unmask(uint32_t state) {
    __asm volatile("msr primask, %0" ::"r"(state) : "memory");
}

void es_port_reset(void) {
    __asm volatile("dsb" ::: "memory");
    AIRCR = 0x05FA0004u;
    for (;;) {
    }
}

__attribute__((weak)) int watchdog_is_started(void) {
    return 0;
}

/* Who has a watchdog wants to go on, and who has none, to see what happened. */
void es_port_fatal(const char *reason) {
    (void)es_port_mask();
    bare_complain(reason);
    if (watchdog_is_started()) {
        es_port_reset();
    }
    watchdog_pause();
    for (;;) {
        __asm volatile("wfi");
    }
}
