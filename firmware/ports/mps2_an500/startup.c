/* Reset, vectors and faults of the MPS2 AN500 (Cortex-M7). */
#include "an500.h"

#include "es_port.h"

#include <string.h>

extern uint8_t es_data_start[], es_data_end[], es_data_load[];
extern uint8_t es_bss_start[], es_bss_end[];
extern uint8_t es_stack_low[], es_stack_high[], es_guard_start[];

#define CPACR       (*(volatile uint32_t *)0xE000ED88u)
#define SHCSR       (*(volatile uint32_t *)0xE000ED24u)
#define CFSR        (*(volatile uint32_t *)0xE000ED28u)
#define MMFAR       (*(volatile uint32_t *)0xE000ED34u)
#define BFAR        (*(volatile uint32_t *)0xE000ED38u)
#define MPU_CTRL    (*(volatile uint32_t *)0xE000ED94u)
#define MPU_RNR     (*(volatile uint32_t *)0xE000ED98u)
#define MPU_RBAR    (*(volatile uint32_t *)0xE000ED9Cu)
#define MPU_RASR    (*(volatile uint32_t *)0xE000EDA0u)
#define CCR_DIV_0   (1u << 4)
#define CCR         (*(volatile uint32_t *)0xE000ED14u)
#define MSTKERR     (1u << 4)
#define STKERR      (1u << 12)
#define MLSPERR     (1u << 5)
#define LSPERR      (1u << 13)
#define MMARVALID   (1u << 7)
#define BFARVALID   (1u << 15)
#define FRAME_PC    6
#define FRAME_BYTES 32
#define GUARD_RASR  0x0000000Fu /* 256 bytes, no access, enabled */

/* No access to the bytes below the stack: an overflow becomes a fault instead of wrong numbers. */
static void guard_stack(void) {
    MPU_RNR = 0;
    MPU_RBAR = (uint32_t)(uintptr_t)es_guard_start;
    MPU_RASR = GUARD_RASR;
    MPU_CTRL = 5; /* on, with the default map for everything else */
    __asm volatile("dsb\n isb" ::: "memory");
}

__attribute__((used, noreturn)) static void start(void) {
    CPACR |= 0xFu << 20; /* the FPU */
    __asm volatile("dsb\n isb" ::: "memory");
    memcpy(es_data_start, es_data_load, (size_t)(es_data_end - es_data_start));
    memset(es_bss_start, 0, (size_t)(es_bss_end - es_bss_start));
    SHCSR |= 7u << 16; /* memory, bus and usage faults by their own vectors */
    CCR |= CCR_DIV_0;
    guard_stack();
    es_main();
    es_port_fatal("the application returned");
}

/* Paints the whole stack, on which it must not stand: no C. */
__attribute__((naked, noreturn)) void es_reset_handler(void) {
    __asm volatile("ldr r0, =es_stack_low\n"
                   "ldr r1, =es_stack_high\n"
                   "ldr r2, =0xC5C5C5C5\n"
                   "1: cmp r0, r1\n"
                   "it lo\n"
                   "strlo r2, [r0], #4\n"
                   "blo 1b\n"
                   "mov sp, r1\n"
                   "b %c0\n" ::"i"(start));
}

static char *put(char *out, const char *text) {
    while (*text != '\0') {
        *out++ = *text++;
    }
    return out;
}

static char *put_hex(char *out, uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4) {
        *out++ = "0123456789abcdef"[value >> shift & 15];
    }
    return out;
}

/* The stack pointer is fresh: the faulting one may point anywhere. `frame` is it as it was. */
__attribute__((used, noreturn)) static void report(const uint32_t *frame) {
    static char text[96];
    const uint32_t cfsr = CFSR;
    const uintptr_t at = (uintptr_t)frame;
    const uintptr_t low = (uintptr_t)es_stack_low, high = (uintptr_t)es_stack_high;
    char *out = text;

    MPU_CTRL = 0;
    out = put(out, "fault pc=");
    if ((cfsr & (MSTKERR | STKERR | MLSPERR | LSPERR)) == 0 && at >= low &&
        at + FRAME_BYTES <= high) {
        out = put_hex(out, frame[FRAME_PC]);
    } else {
        out = put(out, "unknown");
    }
    out = put(out, " cfsr=");
    out = put_hex(out, cfsr);
    if (cfsr & (MMARVALID | BFARVALID)) {
        out = put(out, " address=");
        out = put_hex(out, cfsr & MMARVALID ? MMFAR : BFAR);
    }
    if (cfsr & MSTKERR || at < low) {
        out = put(out, " stack overflow");
    }
    *out = '\0';
    es_port_fatal(text);
}

__attribute__((naked)) static void fault(void) {
    __asm volatile("mov r0, sp\n"
                   "ldr r1, =es_stack_high\n"
                   "mov sp, r1\n"
                   "b %c0\n" ::"i"(report));
}

static void unexpected(void) {
    es_port_fatal("an interrupt that nobody asked for");
}

typedef void (*vector_t)(void);

/* Word 0 is the stack; then reset, NMI, the four faults, reserved ones, and the interrupts. */
__attribute__((section(".vectors"), used)) static const union {
    vector_t code;
    const void *data;
} vectors[16 + AN500_INTERRUPTS] = {
    {.data = es_stack_high},
    {.code = es_reset_handler},
    {.code = unexpected},
    {.code = fault},
    {.code = fault},
    {.code = fault},
    {.code = fault},
    {.code = unexpected},
    {.code = unexpected},
    {.code = unexpected},
    {.code = unexpected},
    {.code = unexpected},
    {.code = unexpected},
    {.code = unexpected},
    {.code = unexpected},
    {.code = unexpected},
    {.code = an500_console_received},
};
