/* The USART of STM32F1, F2 and F4: the generation with SR and DR. */
#include "devices.h"
#include "es_port.h"
#include "stm32.h"

typedef struct usart {
    volatile uint32_t status, data, baud, cr1, cr2, cr3;
} usart_t;

#define USART ((usart_t *)BOARD_UART)

enum {
    RX_READY = 1 << 5,
    TX_COMPLETE = 1 << 6,
    TX_EMPTY = 1 << 7,
    RX_ENABLE = 1 << 2,
    TX_ENABLE = 1 << 3,
    RX_INTERRUPT = 1 << 5,
    USART_ENABLE = 1 << 13,
};

void uart_start(void) {
    stm32_connect_uart();
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
    return (USART->status & RX_READY) != 0 ? (int)(USART->data & 0xFF) : -1;
}

void uart_send(char c) {
    while ((USART->status & TX_EMPTY) == 0) {
    }
    USART->data = (uint8_t)c;
}

void uart_flush(void) {
    while ((USART->status & TX_COMPLETE) == 0) {
    }
}
