/* Reset, vectors and faults of a Cortex-M. */
#include "es_port.h"

#include "bare.h"
#include "board.h"
#include "core.h"
#include "devices.h"

extern uint8_t es_guard_start[];

enum { FRAME_PC = 6, FRAME_BYTES = 32 };

__attribute__((used, noreturn)) static void start(void) {
    core_enable_fpu();
    bare_load_variables();
    bare_take_crash();
    core_enable_faults();
    core_guard_stack(es_guard_start, es_stack_low);
    es_main();
    es_port_fatal("the application returned");
}

/* Paints the whole stack, on which it must not stand: no C. */
__attribute__((naked, noreturn)) void es_reset_handler(void) {
    __asm volatile(".syntax unified\n"
                   "ldr r0, =es_stack_low\n"
                   "ldr r1, =es_stack_high\n"
                   "ldr r2, =0xC5C5C5C5\n"
                   "1: str r2, [r0]\n"
                   "adds r0, #4\n"
                   "cmp r0, r1\n"
                   "blo 1b\n"
                   "mov sp, r1\n"
                   "bl %c0\n" ::"i"(start));
}

static char *put_reason(char *out, uint32_t cfsr) {
    out = bare_put(out, " cfsr=");
    out = bare_put_hex(out, cfsr);
    if (cfsr & (MMARVALID | BFARVALID)) {
        out = bare_put(out, " address=");
        out = bare_put_hex(out, cfsr & MMARVALID ? MMFAR : BFAR);
    }
    return out;
}

/* The stack pointer is fresh: the faulting one may point anywhere. `frame` is it as it was. */
__attribute__((used, noreturn)) static void report(const uint32_t *frame) {
    static char text[96];
    const uint32_t cfsr = CORE_TELLS_FAULTS ? CFSR : 0;
    const uintptr_t at = (uintptr_t)frame;
    const uintptr_t low = (uintptr_t)es_stack_low, high = (uintptr_t)es_stack_high;
    char *out = text;

    core_drop_guard();
    out = bare_put(out, "fault pc=");
    if ((cfsr & (MSTKERR | STKERR | MLSPERR | LSPERR | STKOF)) == 0 && at >= low &&
        at + FRAME_BYTES <= high) {
        out = bare_put_hex(out, frame[FRAME_PC]);
        bare_keep_crash(ES_PORT_FAULT, frame[FRAME_PC]);
    } else {
        out = bare_put(out, "unknown");
        bare_keep_crash(ES_PORT_FAULT, 0);
    }
    if (CORE_TELLS_FAULTS) {
        out = put_reason(out, cfsr);
    }
    if (cfsr & (MSTKERR | STKOF) || at < low) {
        out = bare_put(out, " stack overflow");
    }
    *out = '\0';
    es_port_fatal(text);
}

__attribute__((naked)) static void fault(void) {
    __asm volatile(".syntax unified\n"
                   "mov r0, sp\n"
                   "ldr r1, =es_stack_high\n"
                   "mov sp, r1\n"
                   "bl %c0\n" ::"i"(report));
}

/* The watchdog's last word before it resets the machine by itself. */
__attribute__((used, noreturn)) static void starve(const uint32_t *frame) {
    bare_keep_crash(ES_PORT_WATCHDOG, frame[FRAME_PC]);
    bare_complain("no progress: the watchdog starts the board again");
    es_port_reset();
}

__attribute__((naked)) static void watchdog_barks(void) {
    __asm volatile("mov r0, sp\n"
                   "bl %c0\n" ::"i"(starve));
}

static void unexpected(void) {
    es_port_fatal("an interrupt that nobody asked for");
}

typedef void (*vector_t)(void);

/* Word 0 is the stack; then reset, NMI, the four faults, reserved ones, and the interrupts up to
 * the only one that is ever on. */
__attribute__((section(".vectors"), used)) static const union {
    vector_t code;
    const void *data;
} vectors[] = {
    [0].data = es_stack_high,
    [1].code = es_reset_handler,
    [2].code = watchdog_barks,
    [3].code = fault,
    [4].code = fault,
    [5].code = fault,
    [6].code = fault,
    [7].code = fault,
    [8].code = unexpected,
    [9].code = unexpected,
    [10].code = unexpected,
    [11].code = unexpected,
    [12].code = unexpected,
    [13].code = unexpected,
    [14].code = unexpected,
    [15].code = unexpected,
    [16 + BOARD_UART_IRQ].code = console_received,
};
