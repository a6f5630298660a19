/* The UART of Arm's Cortex-M System Design Kit. */
#include "devices.h"

#include "board.h"

typedef struct uart {
    volatile uint32_t data, state, ctrl, interrupt, divider;
} uart_t;

#define UART ((uart_t *)BOARD_UART)

enum {
    TX_FULL = 1,
    RX_FULL = 2,
    TX_ENABLE = 1,
    RX_ENABLE = 2,
    RX_INTERRUPT = 8,
};

void uart_start(void) {
    UART->divider = 16;
    uart_receive_interrupt(1);
}

void uart_receive_interrupt(int on) {
    UART->ctrl = TX_ENABLE | RX_ENABLE | (on ? RX_INTERRUPT : 0);
}

int uart_receive(void) {
    UART->interrupt = 2;
    return (UART->state & RX_FULL) != 0 ? (int)(UART->data & 0xFF) : -1;
}

void uart_send(char c) {
    uart_flush();
    UART->data = (uint8_t)c;
}

void uart_flush(void) {
    while ((UART->state & TX_FULL) != 0) {
    }
}
