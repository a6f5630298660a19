/* The pins of an STM32's console. */
#include "stm32.h"

#include <stdint.h>

typedef struct gpio {
    volatile uint32_t mode, type, speed, pull, in, out, set, lock, function[2];
} gpio_t;

#define GPIO         ((gpio_t *)BOARD_GPIO)
#define GPIO_ENABLED (*(volatile uint32_t *)BOARD_RCC_GPIO)
#define UART_ENABLED (*(volatile uint32_t *)BOARD_RCC_UART)

enum { ALTERNATE = 2 };

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
