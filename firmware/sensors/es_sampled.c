/* One value at a steady rate, block by block. */
#include "es_sampled.h"

#include <stddef.h>

enum { OFF_PPM = 10000, MOST_SHIFT = 15 };

/* A model trained at one rate hears another one as another sound: the rate that the bus can do must
 * be the one that was asked for, within off_ppm. */
static bool is_near(const es_sampled_t *sampled) {
    const uint64_t wanted = (uint64_t)sampled->sampling.rate_hz * 1000;
    const uint64_t got = sampled->sampling.actual_mhz;
    const uint64_t off = got > wanted ? got - wanted : wanted - got;
    const uint32_t most = sampled->off_ppm != 0 ? sampled->off_ppm : OFF_PPM;
    return off * 1000000 <= wanted * most;
}

static es_fault_t start(es_sensor_t *sensor) {
    es_sampled_t *sampled = (es_sampled_t *)sensor;
    es_sampling_t *sampling = &sampled->sampling;

    if (sampled->sampler == NULL) {
        return ES_FAULT_ABSENT;
    }
    if (sampling->rate_hz == 0 || sampling->samples == NULL || sampling->half == 0 ||
        sampled->shift > MOST_SHIFT) {
        return ES_FAULT_SETUP;
    }
    sensor->format = (es_sensor_format_t){2, 1, 0};
    const es_fault_t fault = sampled->sampler->start(sampled->sampler->context, sampling);
    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    if (!is_near(sampled)) {
        sampled->sampler->stop(sampled->sampler->context);
        return ES_FAULT_SETUP;
    }
    sensor->format.rate_mhz = sampling->actual_mhz;
    return ES_FAULT_NONE;
}

static int16_t scaled(const es_sampled_t *sampled, int16_t value) {
    const int32_t centred = value - sampled->middle;
    const int32_t most = INT16_MAX >> sampled->shift, least = INT16_MIN >> sampled->shift;
    if (centred > most) {
        return INT16_MAX;
    }
    return centred < least ? INT16_MIN : (int16_t)(centred * (1 << sampled->shift));
}

static es_fault_t poll(es_sensor_t *sensor, void *samples, uint32_t room, uint32_t *count) {
    const es_sampled_t *sampled = (es_sampled_t *)sensor;
    int16_t *values = samples;
    uint32_t lost = 0;

    *count = sampled->sampler->take(sampled->sampler->context, values, room, &lost);
    if (sampled->middle != 0 || sampled->shift != 0) {
        for (uint32_t i = 0; i < *count; i++) {
            values[i] = scaled(sampled, values[i]);
        }
    }
    sensor->lost += lost;
    return lost > 0 ? ES_FAULT_OVERRUN : ES_FAULT_NONE;
}

static void stop(es_sensor_t *sensor) {
    const es_sampled_t *sampled = (es_sampled_t *)sensor;
    sampled->sampler->stop(sampled->sampler->context);
}

const es_driver_t es_adc_driver = {"adc", start, poll, stop, NULL};
const es_driver_t es_microphone_driver = {"microphone", start, poll, stop, NULL};
