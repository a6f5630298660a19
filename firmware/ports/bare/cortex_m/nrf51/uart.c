/* The UART of Nordic's nRF51. */
#include "devices.h"

#include "board.h"

#define REGISTER(offset) (*(volatile uint32_t *)(BOARD_UART + (offset)))
#define START_RX         REGISTER(0x000u)
#define START_TX         REGISTER(0x008u)
#define RX_READY         REGISTER(0x108u)
#define TX_READY         REGISTER(0x11Cu)
#define INTERRUPT_SET    REGISTER(0x304u)
#define INTERRUPT_CLEAR  REGISTER(0x308u)
#define ENABLE           REGISTER(0x500u)
#define TX_PIN           REGISTER(0x50Cu)
#define RX_PIN           REGISTER(0x514u)
#define RX_DATA          REGISTER(0x518u)
#define TX_DATA          REGISTER(0x51Cu)
#define BAUD_RATE        REGISTER(0x524u)

enum {
    ON = 4,
    RX_READY_INTERRUPT = 4,
    BAUD_115200 = 0x01D7E000,
    MICROBIT_TX_PIN = 24,
    MICROBIT_RX_PIN = 25,
};

static int sending;

void uart_start(void) {
    TX_PIN = MICROBIT_TX_PIN;
    RX_PIN = MICROBIT_RX_PIN;
    BAUD_RATE = BAUD_115200;
    ENABLE = ON;
    START_TX = 1;
    START_RX = 1;
    uart_receive_interrupt(1);
}

void uart_receive_interrupt(int on) {
    if (on) {
        INTERRUPT_SET = RX_READY_INTERRUPT;
    } else {
        INTERRUPT_CLEAR = RX_READY_INTERRUPT;
    }
}

/* The event comes before the byte is taken: reading a byte raises it again for the next one. */
int uart_receive(void) {
    if (RX_READY == 0) {
        return -1;
    }
    RX_READY = 0;
    return (int)(RX_DATA & 0xFF);
}

void uart_send(char c) {
    uart_flush();
    TX_READY = 0;
    TX_DATA = (uint8_t)c;
    sending = 1;
}

void uart_flush(void) {
    while (sending && TX_READY == 0) {
    }
    sending = 0;
}
