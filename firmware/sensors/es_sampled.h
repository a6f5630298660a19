/* Sensors of one value at a steady rate: an ADC, a microphone.
 *
 *     static int16_t halves[2 * 256];
 *     static es_sampled_t microphone = {
 *         .sensor.driver = &es_microphone_driver,
 *         .sampling = {.rate_hz = 16000, .samples = halves, .half = 256},
 *     };
 *     microphone.sampler = es_port_microphone(0);
 *
 * A sample is one int16, (value - middle) * 2^shift, saturated. A half must be taken while the
 * other one is filled: 256 samples at 16 kHz give the loop 16 ms, or samples are lost, which is
 * told. */
#ifndef ES_SAMPLED_H
#define ES_SAMPLED_H

#include "es_sensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct es_sampled {
    es_sensor_t sensor;
    const es_sampler_t *sampler;
    es_sampling_t sampling;
    int32_t middle;   /* 2048 centres an ADC of 12 bits */
    uint32_t shift;   /* 4 makes its 12 bits 16; at most 15 */
    uint32_t off_ppm; /* how far the rate may be off; 0: 10,000 (a hundredth) */
} es_sampled_t;

extern const es_driver_t es_adc_driver;
extern const es_driver_t es_microphone_driver;

#ifdef __cplusplus
}
#endif

#endif
