// The few declarations of an Arduino core that our port uses: to compile it, not to run it.
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

class SerialPort {
  public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t write(uint8_t byte);
    size_t print(const char *text);
    void flush();
    explicit operator bool();
};

class EspClass {
  public:
    void restart();
};

extern SerialPort Serial;
extern EspClass ESP;

extern "C" unsigned long micros();
extern "C" void yield();
void setup();
void loop();

#endif
