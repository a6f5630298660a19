/* The USART of STM32F4: the generation with SR and DR. */
#include "devices.h"

#include "board.h"

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
    BAUD_115200_AT_16_MHZ = 0x8B,
};

#define RCC_AHB1ENR (*(volatile uint32_t *)0x40023830u)
#define RCC_APB2ENR (*(volatile uint32_t *)0x40023844u)
#define GPIOA_MODER (*(volatile uint32_t *)0x40020000u)
#define GPIOA_AFRH  (*(volatile uint32_t *)0x40020024u)

/* Pins A9 and A10 in their function 7. */
static void connect_pins(void) {
    RCC_AHB1ENR |= 1;
    RCC_APB2ENR |= 1 << 4;
    GPIOA_MODER = (GPIOA_MODER & ~(0xFu << 18)) | 0xAu << 18;
    GPIOA_AFRH = (GPIOA_AFRH & ~(0xFFu << 4)) | 0x77u << 4;
}

void uart_start(void) {
    connect_pins();
    USART->baud = BAUD_115200_AT_16_MHZ;
    uart_receive_interrupt(1);
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
