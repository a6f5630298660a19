/* The USART of STM32F7 and H7: the generation with ISR, RDR and TDR. Compiled, never run. */
#include "devices.h"
#include "es_port.h"
#include "stm32.h"

typedef struct usart {
    volatile uint32_t cr1, cr2, cr3, baud, guard, timeout, request, status, clear, received, sent;
} usart_t;

#define USART ((usart_t *)BOARD_UART)

enum {
    RX_READY = 1 << 5,
    TX_COMPLETE = 1 << 6,
    TX_EMPTY = 1 << 7,
    USART_ENABLE = 1 << 0,
    RX_ENABLE = 1 << 2,
    TX_ENABLE = 1 << 3,
    RX_INTERRUPT = 1 << 5,
    OVERRUN_UNDETECTED = 1 << 12,
};

/* An overrun would ask for the interrupt until someone clears it; what it tells, the protocol's
 * checksums tell as well. */
void uart_start(void) {
    stm32_connect_uart();
    USART->cr3 = OVERRUN_UNDETECTED;
    USART->baud = STM32_BAUD_DIVISOR(STM32_BAUD);
    uart_receive_interrupt(1);
}

/* The divisor is written while the USART is off. */
int es_port_console_baud(uint32_t baud) {
    es_port_flush();
    USART->cr1 = 0;
    USART->baud = STM32_BAUD_DIVISOR(baud);
    uart_receive_interrupt(1);
    return 1;
}

void uart_receive_interrupt(int on) {
    USART->cr1 = USART_ENABLE | TX_ENABLE | RX_ENABLE | (on ? RX_INTERRUPT : 0);
}

int uart_receive(void) {
    return (USART->status & RX_READY) != 0 ? (int)(USART->received & 0xFF) : -1;
}

void uart_send(char c) {
    while ((USART->status & TX_EMPTY) == 0) {
    }
    USART->sent = (uint8_t)c;
}

void uart_flush(void) {
    while ((USART->status & TX_COMPLETE) == 0) {
    }
}
