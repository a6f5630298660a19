// The few declarations of PDM.h that our microphone uses, as arduino/ArduinoCore-mbed
// libraries/PDM/src/PDM.h has them: to compile it, not to run it.
#ifndef PDM_H
#define PDM_H

#include <stddef.h>

class PDMClass {
  public:
    int begin(int channels, int rate);
    void end();
    int available();
    int read(void *buffer, size_t bytes);
    void onReceive(void (*function)(void));
};

extern PDMClass PDM;

#endif
