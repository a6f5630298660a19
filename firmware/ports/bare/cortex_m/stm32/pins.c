/* The pins of an STM32's console, and the one of energy mode, which is on the same port. */
#include "es_port.h"
#include "stm32.h"

#include <stdint.h>

typedef struct gpio {
    volatile uint32_t mode, type, speed, pull, in, out, set, lock, function[2];
} gpio_t;

#define GPIO         ((gpio_t *)BOARD_GPIO)
#define GPIO_ENABLED (*(volatile uint32_t *)BOARD_RCC_GPIO)
#define UART_ENABLED (*(volatile uint32_t *)BOARD_RCC_UART)

enum { OUTPUT = 1, ALTERNATE = 2, PULL_UP = 1, MICROSECONDS = 1000000 };

static void connect(uint32_t pin) {
    volatile uint32_t *function = &GPIO->function[pin / 8];

    *function = (*function & ~(0xFu << pin % 8 * 4)) | BOARD_PIN_FUNCTION << pin % 8 * 4;
    GPIO->mode = (GPIO->mode & ~(3u << pin * 2)) | (uint32_t)ALTERNATE << pin * 2;
}

void stm32_connect_uart(void) {
    GPIO_ENABLED |= 1u << BOARD_RCC_GPIO_BIT;
    UART_ENABLED |= 1u << BOARD_RCC_UART_BIT;
    /* The clocks are there once the writes have arrived. */
    (void)GPIO_ENABLED;
    (void)UART_ENABLED;
    connect(BOARD_TX_PIN);
    connect(BOARD_RX_PIN);
}

#ifdef BOARD_PULSE_PIN
static void drive(int high) {
    GPIO->set = 1u << (BOARD_PULSE_PIN + (high ? 0 : 16));
}

/* Open drain, pulled up: the meter's levels may be other ones. */
int es_port_pulse_start(void) {
    GPIO_ENABLED |= 1u << BOARD_RCC_GPIO_BIT;
    (void)GPIO_ENABLED;
    drive(1);
    GPIO->type |= 1u << BOARD_PULSE_PIN;
    GPIO->pull = (GPIO->pull & ~(3u << BOARD_PULSE_PIN * 2)) | (uint32_t)PULL_UP
                                                                   << BOARD_PULSE_PIN * 2;
    GPIO->mode = (GPIO->mode & ~(3u << BOARD_PULSE_PIN * 2)) | (uint32_t)OUTPUT
                                                                   << BOARD_PULSE_PIN * 2;
    return 1;
}

void es_port_pulse(void) {
    const uint64_t end = es_port_ticks() + 2 * es_port_ticks_hz() / MICROSECONDS;
    drive(0);
    while (es_port_ticks() < end) {
    }
    drive(1);
}
#endif
