// The few declarations of an Arduino core that our port and sketch use: to compile them, not to run
// them.
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

class SerialPort {
  public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t write(uint8_t byte);
    size_t print(const char *text);
    size_t print(long number);
    size_t println(const char *text);
    size_t println(long number);
    void flush();
    explicit operator bool();
};

class EspClass {
  public:
    void restart();
};

extern SerialPort Serial;
extern EspClass ESP;

enum { LOW, HIGH };
enum { INPUT, OUTPUT };

extern "C" void pinMode(uint8_t pin, uint8_t mode);
extern "C" void digitalWrite(uint8_t pin, uint8_t level);
extern "C" int analogRead(uint8_t pin);
extern "C" void analogReadResolution(int bits);
extern "C" void delayMicroseconds(unsigned int microseconds);
extern "C" unsigned long micros();
extern "C" unsigned long millis();
extern "C" void delay(unsigned long milliseconds);
extern "C" void yield();
void setup();
void loop();

#endif
