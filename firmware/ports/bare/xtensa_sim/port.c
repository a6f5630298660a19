/* Console and clock of QEMU's `sim` machine: the simulator's own calls, and CCOUNT. */
#include "es_port.h"

#include "bare.h"
#include "board.h"

enum { SYS_READ = 3, SYS_WRITE = 4, STDIN = 0, STDOUT = 1 };

static int simcall(int number, int file, void *data, int bytes) {
    register int a2 __asm("a2") = number;
    register int a3 __asm("a3") = file;
    register void *a4 __asm("a4") = data;
    register int a5 __asm("a5") = bytes;
    __asm volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
    return a2;
}

static struct {
    uint32_t last, wraps;
} clock;

void es_port_start(void) {}

/* CCOUNT has 32 bits, and the core no second counter: it must be read at least once before it comes
 * round, every 1,677 million instructions. The carry of its subtraction tells, without a branch: a
 * look must cost the same every time. */
uint64_t es_port_ticks(void) {
    uint32_t now;
    __asm volatile("rsr %0, ccount" : "=r"(now));
    clock.wraps += ((~now & clock.last) | ((~now | clock.last) & (now - clock.last))) >> 31;
    clock.last = now;
    return (uint64_t)clock.wraps << 32 | now;
}

uint32_t es_port_ticks_hz(void) {
    return BOARD_TICKS_HZ;
}

const char *es_port_time_source(void) {
    return "CCOUNT";
}

/* The simulator wakes nobody: waiting is asking again. */
int es_port_read(uint32_t timeout_ms) {
    const uint64_t limit = (uint64_t)timeout_ms * (BOARD_TICKS_HZ / 1000);
    const uint64_t start = es_port_ticks();
    uint8_t c;

    while (simcall(SYS_READ, STDIN, &c, 1) != 1) {
        if (timeout_ms != ES_PORT_FOREVER && es_port_ticks() - start >= limit) {
            return ES_PORT_NONE;
        }
    }
    return c;
}

void es_port_write(char c) {
    (void)simcall(SYS_WRITE, STDOUT, &c, 1);
}

void es_port_flush(void) {}

void es_port_idle(void) {}

/* Interrupts are never on. */
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

/* The machine cannot be reset from inside: what a reset would set up, the start sets up. */
void es_port_reset(void) {
    __asm volatile("movi a0, es_reset_vector\n jx a0");
    __builtin_unreachable();
}

void es_port_fatal(const char *reason) {
    bare_complain(reason);
    for (;;) {
        __asm volatile("waiti 15");
    }
}
