/* An application that puts the port of the emulated board to the test, one letter a trial. */
#include "es_port.h"

#include <stdint.h>

static void say(const char *text) {
    for (; *text != '\0'; text++) {
        es_port_write(*text);
    }
}

static void say_number(uint64_t value) {
    if (value >= 10) {
        say_number(value / 10);
    }
    es_port_write((char)('0' + value % 10));
}

static void say_instructions(uint64_t begin, uint64_t end) {
    say("count ");
    say_number(((end - begin) * 5 + 8) / 16);
    say("\r\n");
}

#define TEN(x) x x x x x x x x x x

static void count_nops(void) {
    const uint64_t begin = es_port_ticks();
    __asm volatile(TEN(TEN("nop\n")) TEN(TEN("nop\n")) TEN(TEN("nop\n")) TEN(TEN("nop\n")));
    const uint64_t end = es_port_ticks();
    say_instructions(begin, end);
}

static void count_nothing(void) {
    const uint64_t begin = es_port_ticks();
    __asm volatile("");
    const uint64_t end = es_port_ticks();
    say_instructions(begin, end);
}

/* Two instructions a round; the 32-bit timer wraps after 1,342 million. */
static void count_past_the_wrap(void) {
    uint32_t rounds = 1000000000;
    const uint64_t begin = es_port_ticks();
    __asm volatile("1: subs %0, %0, #1\n bne 1b\n" : "+r"(rounds)::"cc");
    const uint64_t end = es_port_ticks();
    say_instructions(begin, end);
}

__attribute__((noinline)) static uint32_t dive(volatile uint32_t *above) {
    volatile uint32_t frame[16];
    frame[0] = *above + 1;
    if (frame[0] == UINT32_MAX) {
        return 0;
    }
    return dive(frame) + frame[0];
}

static void wait_a_while(void) {
    const uint64_t begin = es_port_ticks();
    const int c = es_port_read(20);
    const uint64_t ms = (es_port_ticks() - begin) * 1000 / es_port_ticks_hz();
    say(c == ES_PORT_NONE && ms >= 20 && ms <= 21 ? "waited\r\n" : "wrong\r\n");
}

static void attempt(int trial) {
    volatile uint32_t zero = 0;

    switch (trial) {
    case 'n':
        count_nothing();
        count_nops();
        break;
    case 'w':
        count_past_the_wrap();
        break;
    case 't':
        wait_a_while();
        break;
    case 'r':
        es_port_reset();
    case 'f':
        (void)*(volatile uint32_t *)0x90000000u;
        break;
    case 'd':
        zero = 12345 / zero;
        break;
    case 'u':
        __asm volatile("udf #1");
        break;
    case 's':
        (void)dive(&zero);
        break;
    case 'e':
        return;
    }
}

void es_main(void) {
    es_port_start();
    say("start\r\n");
    for (int c = 0; c != 'e';) {
        c = es_port_read(ES_PORT_FOREVER);
        attempt(c);
    }
}
