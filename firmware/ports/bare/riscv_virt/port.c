/* Console, clock and reset of QEMU's `virt` machine with one 32-bit RISC-V core. */
#include "es_port.h"

#include "bare.h"
#include "board.h"

typedef struct uart {
    volatile uint8_t data, interrupts, fifo, line, modem, status;
} uart_t;

#define UART          ((uart_t *)BOARD_UART)
#define PLIC_PRIORITY (*(volatile uint32_t *)(BOARD_PLIC + 4u * BOARD_UART_IRQ))
#define PLIC_ENABLE   (*(volatile uint32_t *)(BOARD_PLIC + 0x2000u))
#define PLIC_CLAIM    (*(volatile uint32_t *)(BOARD_PLIC + 0x200004u))
#define POWER         (*(volatile uint32_t *)BOARD_POWER)

enum {
    RX_READY = 1,
    TX_EMPTY = 0x20,
    TX_IDLE = 0x40,
    RX_INTERRUPT = 1,
    FIFO_ON = 1,
    LINE_8N1 = 3,
    MIE_EXTERNAL = 1 << 11,
    RESET = 0x7777,
};

#define CSR(text) ".option push\n .option arch, +zicsr\n " text "\n .option pop\n"

/* The UART's interrupt ends a WFI and is never taken: mstatus.MIE stays 0. */
void es_port_start(void) {
    UART->line = LINE_8N1;
    UART->fifo = FIFO_ON;
    UART->interrupts = RX_INTERRUPT;
    PLIC_PRIORITY = 1;
    PLIC_ENABLE = 1u << BOARD_UART_IRQ;
    __asm volatile(CSR("csrs mie, %0")::"r"(MIE_EXTERNAL));
}

/* Instructions retired. The high half may go on between two looks; then the low one was small, or
 * large. No branch: it must cost the same every time. */
uint64_t es_port_ticks(void) {
    uint32_t before, low, after;
    __asm volatile(CSR("csrr %0, minstreth\n csrr %1, minstret\n csrr %2, minstreth")
                   : "=&r"(before), "=&r"(low), "=&r"(after));
    const uint32_t high = after - ((after - before) & low >> 31);
    return (uint64_t)high << 32 | low;
}

uint32_t es_port_ticks_hz(void) {
    return BOARD_TICKS_HZ;
}

const char *es_port_time_source(void) {
    return "minstret";
}

int es_port_read(uint32_t timeout_ms) {
    const uint64_t limit = (uint64_t)timeout_ms * (BOARD_TICKS_HZ / 1000);
    const uint64_t start = es_port_ticks();

    while ((UART->status & RX_READY) == 0) {
        if (timeout_ms == ES_PORT_FOREVER) {
            es_port_idle();
        } else if (es_port_ticks() - start >= limit) {
            return ES_PORT_NONE;
        }
    }
    return UART->data;
}

void es_port_write(char c) {
    while ((UART->status & TX_EMPTY) == 0) {
    }
    UART->data = (uint8_t)c;
}

void es_port_flush(void) {
    while ((UART->status & TX_IDLE) == 0) {
    }
}

void es_port_idle(void) {
    __asm volatile("wfi" ::: "memory");
    PLIC_CLAIM = PLIC_CLAIM;
}

/* Interrupts are never on. */
uint32_t es_port_mask(void) {
    return 0;
}

void es_port_unmask(uint32_t state) {
    (void)state;
}

int es_port_watchdog_start(uint32_t timeout_ms) {
    (void)timeout_ms;
    return 0;
}

void es_port_watchdog_feed(void) {}

void es_port_reset(void) {
    es_port_flush();
    POWER = RESET;
    for (;;) {
    }
}

void es_port_fatal(const char *reason) {
    bare_complain(reason);
    UART->interrupts = 0;
    for (;;) {
        __asm volatile("wfi");
    }
}
