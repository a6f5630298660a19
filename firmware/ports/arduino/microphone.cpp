// PDM.h as a sampler, where the core has one. Compiled, never run on a board.
//
// The library calls back from its interrupt. It says that it takes a rate, not what becomes of it:
// actual_mhz is what was asked for. ES_SENSORS=1 alone builds it.
#if ES_SENSORS && __has_include(<PDM.h>)

#include "es_bus.h"

#include <Arduino.h>
#include <PDM.h>

namespace {

constexpr int kChunk = 32;

es_halves_t halves;

void received() {
    int16_t chunk[kChunk];

    for (int bytes = PDM.available(); bytes > 1;) {
        const int wanted = bytes < static_cast<int>(sizeof chunk) ? bytes : sizeof chunk;
        const int got = PDM.read(chunk, static_cast<size_t>(wanted));
        if (got <= 0) {
            return;
        }
        for (int i = 0; i < got / 2; i++) {
            es_halves_put(&halves, chunk[i]);
        }
        bytes -= got;
    }
}

es_fault_t start(void *, es_sampling_t *sampling) {
    es_halves_start(&halves, sampling->samples, sampling->half);
    PDM.onReceive(received);
    if (!PDM.begin(1, static_cast<int>(sampling->rate_hz))) {
        return ES_FAULT_SETUP;
    }
    sampling->actual_mhz = sampling->rate_hz * 1000;
    sampling->sample_bits = 16;
    return ES_FAULT_NONE;
}

uint32_t take(void *, int16_t *into, uint32_t room, uint32_t *lost) {
    return es_halves_take(&halves, into, room, lost);
}

void stop(void *) {
    PDM.end();
}

const es_sampler_t kSampler = {nullptr, start, take, stop};

} // namespace

extern "C" const es_sampler_t *es_port_microphone(uint32_t index) {
    return index == 0 ? &kSampler : nullptr;
}

#endif
