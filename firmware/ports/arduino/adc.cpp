// analogRead() as a sampler. Compiled, never run on a board.
//
// No core has a timer or DMA for it that all share: a conversion is made when take() is called and
// its time has come, so that it is up to the main loop how even they are. One that is a whole
// period late counts as lost. ES_SENSORS=1 alone builds it.
#if ES_SENSORS

#include "es_bus.h"

#include <Arduino.h>

namespace {

constexpr uint32_t kMicroseconds = 1000000;

uint32_t pin, periodUs, nextUs;

es_fault_t start(void *, es_sampling_t *sampling) {
    periodUs = (kMicroseconds + sampling->rate_hz / 2) / sampling->rate_hz;
    if (periodUs == 0) {
        return ES_FAULT_SETUP;
    }
    sampling->actual_mhz = static_cast<uint32_t>(UINT64_C(1000000000) / periodUs);
#if defined(__AVR__)
    sampling->sample_bits = 10;
#else
    sampling->sample_bits = 12;
    analogReadResolution(12);
#endif
    pin = sampling->channel;
    nextUs = micros() + periodUs;
    return ES_FAULT_NONE;
}

uint32_t take(void *, int16_t *into, uint32_t room, uint32_t *lost) {
    uint32_t count = 0;

    while (count < room) {
        const int32_t lateUs = static_cast<int32_t>(micros() - nextUs);
        if (lateUs < 0) {
            break;
        }
        const uint32_t missed = static_cast<uint32_t>(lateUs) / periodUs;
        if (missed > 0) {
            if (count > 0) {
                break; // the gap is in front of the next call's samples
            }
            *lost += missed;
            nextUs += missed * periodUs;
        }
        into[count++] = static_cast<int16_t>(analogRead(static_cast<uint8_t>(pin)));
        nextUs += periodUs;
    }
    return count;
}

void stop(void *) {}

const es_sampler_t kSampler = {nullptr, start, take, stop};

} // namespace

// A channel is a pin: A0.
extern "C" const es_sampler_t *es_port_adc(uint32_t index) {
    return index == 0 ? &kSampler : nullptr;
}

#endif
