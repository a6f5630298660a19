/* For ports without a pin for time stamps. */
#include "es_port.h"

__attribute__((weak)) int es_port_console_baud(uint32_t baud) {
    (void)baud;
    return 0;
}

__attribute__((weak)) int es_port_pulse_start(void) {
    return 0;
}

__attribute__((weak)) void es_port_pulse(void) {}
