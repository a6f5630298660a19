/* For ports that have no such bus: any port's own functions take the place of these. */
#include "es_bus.h"

#include <stddef.h>

__attribute__((weak)) const es_i2c_t *es_port_i2c(uint32_t index) {
    (void)index;
    return NULL;
}

__attribute__((weak)) const es_sampler_t *es_port_adc(uint32_t index) {
    (void)index;
    return NULL;
}

__attribute__((weak)) const es_sampler_t *es_port_microphone(uint32_t index) {
    (void)index;
    return NULL;
}

__attribute__((weak)) const es_camera_bus_t *es_port_camera(uint32_t index) {
    (void)index;
    return NULL;
}
