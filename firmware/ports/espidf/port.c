/* The port of ESP-IDF: UART 0 and esp_timer. Compiled, never run on a board.
 *
 * FreeRTOS needs its interrupts: they stay on while something is measured. The stack is a task's,
 * and its depth is not measured here. */
#include "es_port.h"

#include <driver/uart.h>
#include <esp_system.h>
#include <esp_timer.h>
#include <freertos/FreeRTOS.h>
#include <freertos/task.h>

#define CONSOLE UART_NUM_0

enum { BAUD = 115200, RING_BYTES = 4096 };

void app_main(void) {
    es_main();
    es_port_fatal("the application returned");
}

void es_port_start(void) {
    const uart_config_t config = {
        .baud_rate = BAUD,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
    };
    ESP_ERROR_CHECK(uart_driver_install(CONSOLE, RING_BYTES, 0, 0, NULL, 0));
    ESP_ERROR_CHECK(uart_param_config(CONSOLE, &config));
}

uint64_t es_port_ticks(void) {
    return (uint64_t)esp_timer_get_time();
}

uint32_t es_port_ticks_hz(void) {
    return 1000000;
}

const char *es_port_time_source(void) {
    return "esp_timer";
}

int es_port_read(uint32_t timeout_ms) {
    const TickType_t wait =
        timeout_ms == ES_PORT_FOREVER ? portMAX_DELAY : pdMS_TO_TICKS(timeout_ms);
    uint8_t c;

    return uart_read_bytes(CONSOLE, &c, 1, wait) == 1 ? c : ES_PORT_NONE;
}

void es_port_write(char c) {
    uart_write_bytes(CONSOLE, &c, 1);
}

void es_port_flush(void) {
    uart_wait_tx_done(CONSOLE, portMAX_DELAY);
}

void es_port_idle(void) {
    vTaskDelay(1);
}

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
    esp_restart();
}

void es_port_fatal(const char *reason) {
    for (const char *s = "e-["; *s != '\0'; s++) {
        es_port_write(*s);
    }
    for (; *reason != '\0'; reason++) {
        es_port_write(*reason);
    }
    for (const char *s = "]\r\n"; *s != '\0'; s++) {
        es_port_write(*s);
    }
    es_port_flush();
    for (;;) {
        es_port_idle();
    }
}

es_port_stack_t es_port_stack(void) {
    const es_port_stack_t unknown = {NULL, NULL};
    return unknown;
}

const void *es_port_partition(size_t *bytes) {
    *bytes = 0;
    return NULL;
}
