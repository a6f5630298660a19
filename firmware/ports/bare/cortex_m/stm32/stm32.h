/* What the generations of the STM32's USART share: clock gates, pins, and the rate. */
#ifndef STM32_H
#define STM32_H

#include "board.h"

/* Of BOARD_UART_HZ for a rate in baud, rounded. */
#define STM32_BAUD_DIVISOR(baud) ((BOARD_UART_HZ + (baud) / 2) / (baud))

enum { STM32_BAUD = 115200 };

/* Gives the USART its clock, and its pins BOARD_TX_PIN and BOARD_RX_PIN of one port their
 * function. */
void stm32_connect_uart(void);

#endif
