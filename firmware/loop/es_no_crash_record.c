/* For ports that keep nothing across a reset: any port's own functions take the place of these. */
#include "es_port.h"

__attribute__((weak)) void es_port_mark(uint32_t mark) {
    (void)mark;
}

__attribute__((weak)) es_port_crash_t es_port_last_crash(void) {
    const es_port_crash_t none = {ES_PORT_NO_CRASH, 0, 0};
    return none;
}
