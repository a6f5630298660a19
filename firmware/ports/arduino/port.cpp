// The port of boards that run an Arduino core. Compiled, never run on a board.
//
// The clock is micros(), which needs interrupts: they stay on while something is measured. The
// core owns the stack and does not say where it ends, so its depth is not known here.
#define _Noreturn [[noreturn]] // C++ has no such keyword

extern "C" {
#include "es_port.h"
}

#include <Arduino.h>
#if __has_include("board.h")
#include "board.h"
#endif

void setup() {
    es_main();
    es_port_fatal("the application returned");
}

void loop() {}

void es_port_start(void) {
    Serial.begin(115200);
    while (!Serial) {
        // USB of its own: until somebody listens.
    }
}

uint64_t es_port_ticks(void) {
    static uint32_t last;
    static uint64_t wrapped;
    const uint32_t now = micros();

    wrapped += now < last ? UINT64_C(1) << 32 : 0;
    last = now;
    return wrapped + now;
}

uint32_t es_port_ticks_hz(void) {
    return 1000000;
}

const char *es_port_time_source(void) {
    return "micros()";
}

int es_port_read(uint32_t timeout_ms) {
    const uint64_t start = es_port_ticks();

    while (Serial.available() <= 0) {
        if (timeout_ms != ES_PORT_FOREVER &&
            es_port_ticks() - start >= static_cast<uint64_t>(timeout_ms) * 1000) {
            return ES_PORT_NONE;
        }
        es_port_idle();
    }
    return Serial.read();
}

void es_port_write(char c) {
    Serial.write(static_cast<uint8_t>(c));
}

void es_port_flush(void) {
    Serial.flush();
}

void es_port_idle(void) {
    yield();
}

uint32_t es_port_mask(void) {
    return 0;
}

void es_port_unmask(uint32_t state) {
    (void)state;
}

int es_port_watchdog_start(uint32_t timeout_ms) {
    (void)timeout_ms;
    return 0;
}

void es_port_watchdog_feed(void) {}

void es_port_reset(void) {
#if defined(ESP32)
    ESP.restart();
#elif defined(__arm__)
    *reinterpret_cast<volatile uint32_t *>(0xE000ED0C) = 0x05FA0004; // AIRCR: ask for a reset
#else
#error "this port does not know how to reset the processor"
#endif
    for (;;) {
    }
}

void es_port_fatal(const char *reason) {
    Serial.print("e-[");
    Serial.print(reason);
    Serial.print("]\r\n");
    Serial.flush();
    for (;;) {
        yield();
    }
}

int es_port_console_baud(uint32_t baud) {
    Serial.flush();
    Serial.begin(baud);
    return 1;
}

#ifdef BOARD_PULSE_PIN
int es_port_pulse_start(void) {
    digitalWrite(BOARD_PULSE_PIN, HIGH);
    pinMode(BOARD_PULSE_PIN, OUTPUT);
    return 1;
}

void es_port_pulse(void) {
    digitalWrite(BOARD_PULSE_PIN, LOW);
    delayMicroseconds(2);
    digitalWrite(BOARD_PULSE_PIN, HIGH);
}
#endif

es_port_stack_t es_port_stack(void) {
    return {nullptr, nullptr};
}

const void *es_port_partition(size_t *bytes) {
    *bytes = 0;
    return nullptr;
}
