// The few declarations of Arduino's Wire that our bus uses, as arduino/ArduinoCore-API
// api/HardwareI2C.h has them: to compile it, not to run it.
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

class TwoWire {
  public:
    void begin();
    void setClock(uint32_t hz);
    void beginTransmission(uint8_t address);
    uint8_t endTransmission();
    uint8_t endTransmission(bool stop);
    size_t requestFrom(uint8_t address, size_t count);
    size_t write(const uint8_t *bytes, size_t count);
    int read();
};

extern TwoWire Wire;
extern TwoWire Wire1;

#endif
