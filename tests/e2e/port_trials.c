/* An application that puts the port of an emulated board to the test, one letter a trial. */
#include "bench_config.h"
#include "es_port.h"

#include <stdint.h>

/* A loop of two instructions a round, and an instruction that no core has. */
#if defined(__arm__)
#define COUNT_DOWN(n)                                                                              \
    __asm volatile(".syntax unified\n1: subs %0, %0, #1\n bne 1b\n" : "+l"(n)::"cc")
#define UNDEFINED "udf #1"
#elif defined(__riscv)
#define COUNT_DOWN(n) __asm volatile("1: addi %0, %0, -1\n bnez %0, 1b\n" : "+r"(n))
#define UNDEFINED     "unimp"
#elif defined(__XTENSA__)
#define COUNT_DOWN(n) __asm volatile("1: addi %0, %0, -1\n bnez %0, 1b\n" : "+r"(n))
#define UNDEFINED     "ill"
#endif

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
    say_number(((end - begin) * BENCH_UNITS_NUMERATOR + BENCH_UNITS_DENOMINATOR / 2) /
               BENCH_UNITS_DENOMINATOR);
    say("\r\n");
}

#define TEN(x) x x x x x x x x x x

__attribute__((noinline)) static void count_nops(void) {
    const uint64_t begin = es_port_ticks();
    __asm volatile(TEN(TEN("nop\n")) TEN(TEN("nop\n")) TEN(TEN("nop\n")) TEN(TEN("nop\n")));
    const uint64_t end = es_port_ticks();
    say_instructions(begin, end);
}

__attribute__((noinline)) static void count_nothing(void) {
    const uint64_t begin = es_port_ticks();
    __asm volatile("");
    const uint64_t end = es_port_ticks();
    say_instructions(begin, end);
}

__attribute__((noinline)) static void count_a_loop(void) {
    uint32_t rounds = 100000;
    const uint64_t begin = es_port_ticks();
    COUNT_DOWN(rounds);
    const uint64_t end = es_port_ticks();
    say_instructions(begin, end);
}

/* Timers of 32 bits come round after as little as 1,048 million instructions; who looks at them
 * sometimes must not notice. */
static void count_past_the_wrap(void) {
    const uint64_t begin = es_port_ticks();
    for (int leg = 0; leg < 2; leg++) {
        uint32_t rounds = 500000000;
        COUNT_DOWN(rounds);
        (void)es_port_ticks();
    }
    const uint64_t end = es_port_ticks();
    say_instructions(begin, end);
}

static void wait_for_the_watchdog(void) {
    if (!es_port_watchdog_start(50)) {
        say("no watchdog\r\n");
        return;
    }
    const uint64_t begin = es_port_ticks(), limit = es_port_ticks_hz() / 5;
    while (es_port_ticks() - begin < limit) {
        es_port_watchdog_feed();
    }
    say("fed\r\n");
    for (;;) {
        (void)es_port_ticks();
    }
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
    case 'l':
        count_nothing();
        count_a_loop();
        break;
    case 'g':
        wait_for_the_watchdog();
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
        (void)*(volatile uint32_t *)0xE8000000u;
        break;
    case 'd':
        zero = 12345 / zero;
        break;
    case 'u':
        __asm volatile(UNDEFINED);
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
