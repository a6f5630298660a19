/* The few declarations of ESP-IDF that our port uses: to compile it, not to run it. */
#ifndef DRIVER_UART_H
#define DRIVER_UART_H

#include "esp_err.h"

#include <stddef.h>
#include <stdint.h>

typedef int uart_port_t;
typedef uint32_t TickType_t;

#define UART_NUM_0            0
#define ESP_ERROR_CHECK(call) ((void)(call))

typedef enum { UART_DATA_8_BITS = 3 } uart_word_length_t;
typedef enum { UART_PARITY_DISABLE = 0 } uart_parity_t;
typedef enum { UART_STOP_BITS_1 = 1 } uart_stop_bits_t;
typedef enum { UART_HW_FLOWCTRL_DISABLE = 0 } uart_hw_flowcontrol_t;

typedef struct {
    int baud_rate;
    uart_word_length_t data_bits;
    uart_parity_t parity;
    uart_stop_bits_t stop_bits;
    uart_hw_flowcontrol_t flow_ctrl;
} uart_config_t;

esp_err_t uart_driver_install(uart_port_t port, int rx_bytes, int tx_bytes, int queue_size,
                              void *queue, int interrupt_flags);
esp_err_t uart_param_config(uart_port_t port, const uart_config_t *config);
int uart_read_bytes(uart_port_t port, void *data, uint32_t bytes, TickType_t wait);
int uart_write_bytes(uart_port_t port, const void *data, size_t bytes);
esp_err_t uart_wait_tx_done(uart_port_t port, TickType_t wait);

#endif
