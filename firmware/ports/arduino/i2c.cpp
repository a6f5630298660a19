// Wire as a bus for drivers. Compiled, never run on a board.
//
// Built with ES_SENSORS=1 alone, as naming Wire links its constructor and interrupts. Wire waits as
// long as its core lets it: where a stuck bus has no timeout, the watchdog is what is left.
#if ES_SENSORS && __has_include(<Wire.h>)

#include "es_bus.h"

#include <Arduino.h>
#include <Wire.h>

namespace {

constexpr uint32_t kMostBytes = 32; // the least buffer of any core

TwoWire &wire(void *context) {
    return *static_cast<TwoWire *>(context);
}

// Of endTransmission(): 2 and 3 are a missing acknowledge, 1 is too long.
es_fault_t faultOf(int ended) {
    switch (ended) {
    case 0:
        return ES_FAULT_NONE;
    case 1:
        return ES_FAULT_SETUP;
    case 2:
    case 3:
        return ES_FAULT_NAK;
    default:
        return ES_FAULT_STUCK;
    }
}

es_fault_t start(void *context, uint32_t hz) {
    wire(context).begin();
    wire(context).setClock(hz);
    return ES_FAULT_NONE;
}

es_fault_t write(void *context, uint8_t address, const uint8_t *bytes, uint32_t count) {
    wire(context).beginTransmission(address);
    if (wire(context).write(bytes, count) != count) {
        return ES_FAULT_SETUP;
    }
    return faultOf(wire(context).endTransmission());
}

es_fault_t read(void *context, uint8_t address, uint8_t first, uint8_t *bytes, uint32_t count) {
    wire(context).beginTransmission(address);
    wire(context).write(&first, 1);
    const es_fault_t fault = faultOf(wire(context).endTransmission(false));
    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    if (wire(context).requestFrom(address, static_cast<uint8_t>(count)) != count) {
        return ES_FAULT_NAK;
    }
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = static_cast<uint8_t>(wire(context).read());
    }
    return ES_FAULT_NONE;
}

// No core offers clocks without a transfer.
const es_i2c_t kWire = {&Wire, start, write, read, nullptr, kMostBytes};

#if defined(ARDUINO_ARDUINO_NANO33BLE) || (defined(WIRE_HOWMANY) && WIRE_HOWMANY > 1)
#define HAS_SECOND_WIRE
const es_i2c_t kSecondWire = {&Wire1, start, write, read, nullptr, kMostBytes};
#endif

} // namespace

// 1 is the bus of the sensors on a Nano 33 BLE itself.
extern "C" const es_i2c_t *es_port_i2c(uint32_t index) {
#ifdef HAS_SECOND_WIRE
    if (index == 1) {
        return &kSecondWire;
    }
#endif
    return index == 0 ? &kWire : nullptr;
}

#endif
