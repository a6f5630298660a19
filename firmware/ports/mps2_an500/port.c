/* Console, clock and reset of the MPS2 AN500. */
#include "es_port.h"

#include "an500.h"

typedef struct uart {
    volatile uint32_t data, state, ctrl, interrupt, divider;
} uart_t;

typedef struct timer {
    volatile uint32_t ctrl, value, reload, interrupt;
} timer_t;

typedef struct dual_timer {
    volatile uint32_t load, value, ctrl, clear, raw, masked, background;
} dual_timer_t;

#define UART0      ((uart_t *)0x40004000u)
#define TIMER0     ((timer_t *)0x40000000u)
#define DUAL_TIMER ((dual_timer_t *)0x40002000u)
#define NVIC_ISER0 (*(volatile uint32_t *)0xE000E100u)
#define AIRCR      (*(volatile uint32_t *)0xE000ED0Cu)

enum {
    CLOCK_HZ = 25000000,
    TX_FULL = 1,
    RX_FULL = 2,
    TX_ENABLE = 1,
    RX_ENABLE = 2,
    RX_INTERRUPT = 8,
    DUAL_ON_32_BIT_BY_256 = 0x8A, /* on, free running, clock / 256, 32 bits */
    RING = 1024,
};

/* Filled by the interrupt, emptied by es_port_read(). When it is full the interrupt goes off, and
 * the last character waits in the UART. */
static struct {
    uint8_t data[RING];
    volatile uint32_t head, tail;
} ring;

extern uint8_t es_stack_low[], es_stack_high[];
extern uint8_t es_partition_start[], es_partition_bytes[];

void an500_console_received(void) {
    UART0->interrupt = 2;
    while ((UART0->state & RX_FULL) != 0) {
        if (ring.head - ring.tail == RING) {
            UART0->ctrl = TX_ENABLE | RX_ENABLE;
            return;
        }
        ring.data[ring.head % RING] = (uint8_t)UART0->data;
        ring.head = ring.head + 1;
    }
}

static void run_clock(int on) {
    TIMER0->ctrl = on ? 1 : 0;
    DUAL_TIMER->ctrl = on ? DUAL_ON_32_BIT_BY_256 : 0;
}

void es_port_start(void) {
    TIMER0->reload = 0xFFFFFFFFu;
    TIMER0->value = 0xFFFFFFFFu;
    DUAL_TIMER->load = 0xFFFFFFFFu;
    run_clock(1);
    UART0->divider = 16;
    UART0->ctrl = TX_ENABLE | RX_ENABLE | RX_INTERRUPT;
    NVIC_ISER0 = 1;
}

/* Timer 0 counts the low 32 bits. The second timer is 256 times slower and tells how often timer 0
 * has wrapped, so that no interrupt is needed while interrupts are off. */
uint64_t es_port_ticks(void) {
    const uint32_t fine = ~TIMER0->value;
    const uint64_t coarse = (uint64_t)~DUAL_TIMER->value << 8;
    const uint64_t wraps = (coarse - fine + 0x80000000u) >> 32;
    return (wraps << 32) + fine;
}

uint32_t es_port_ticks_hz(void) {
    return CLOCK_HZ;
}

const char *es_port_time_source(void) {
    return "CMSDK timer 0";
}

int es_port_read(uint32_t timeout_ms) {
    const uint64_t limit = (uint64_t)timeout_ms * (CLOCK_HZ / 1000);
    const uint64_t start = es_port_ticks();

    while (ring.head == ring.tail) {
        if (timeout_ms == ES_PORT_FOREVER) {
            /* An emulator that waits leaps to the next event of any timer, again and again: with
             * the clock stopped there is none, and it sleeps. */
            run_clock(0);
            es_port_idle();
            run_clock(1);
        } else if (es_port_ticks() - start >= limit) {
            return ES_PORT_NONE;
        }
    }
    const uint8_t c = ring.data[ring.tail % RING];
    ring.tail = ring.tail + 1;
    if ((UART0->ctrl & RX_INTERRUPT) == 0) {
        const uint32_t state = es_port_mask();
        UART0->ctrl = TX_ENABLE | RX_ENABLE | RX_INTERRUPT;
        an500_console_received();
        es_port_unmask(state);
    }
    return c;
}

void es_port_write(char c) {
    while ((UART0->state & TX_FULL) != 0) {
    }
    UART0->data = (uint8_t)c;
}

void es_port_flush(void) {
    while ((UART0->state & TX_FULL) != 0) {
    }
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

void es_port_watchdog_feed(void) {}

void es_port_reset(void) {
    __asm volatile("dsb" ::: "memory");
    AIRCR = 0x05FA0004u;
    for (;;) {
    }
}

void es_port_fatal(const char *reason) {
    (void)es_port_mask();
    UART0->ctrl = TX_ENABLE;
    es_port_write('e'), es_port_write('-'), es_port_write('[');
    for (; *reason != '\0'; reason++) {
        es_port_write(*reason);
    }
    es_port_write(']'), es_port_write('\r'), es_port_write('\n');
    for (;;) {
        __asm volatile("wfi");
    }
}

es_port_stack_t es_port_stack(void) {
    const es_port_stack_t stack = {es_stack_low, es_stack_high};
    return stack;
}

const void *es_port_partition(size_t *bytes) {
    *bytes = (size_t)(uintptr_t)es_partition_bytes;
    return es_partition_start;
}
