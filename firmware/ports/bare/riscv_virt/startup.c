/* Reset and traps of a RISC-V core in machine mode. */
#include "es_port.h"

#include "bare.h"

extern uint8_t es_guard_start[];

/* The compiler is not told of the control registers: `zicsr` in -march picks another C library. */
#define WRITE_CSR(name, value)                                                                     \
    __asm volatile(".option push\n .option arch, +zicsr\n csrw " name                              \
                   ", %0\n .option pop\n" ::"r"(value)                                             \
                   : "memory")
#define READ_CSR(name, value)                                                                      \
    __asm volatile(".option push\n .option arch, +zicsr\n csrr %0, " name "\n .option pop\n"       \
                   : "=r"(value))

enum {
    GUARD_SHIFT = 2 + 1,
    GUARD_SIZE_ONES = (256 >> GUARD_SHIFT) - 1,
    LOCKED_ALIGNED_NO_ACCESS = 0x98,
    MCAUSE_STORE = 7,
};

void es_trap_handler(void);

/* No access to the bytes below the stack, locked so that it holds in machine mode too. */
static void guard_stack(void) {
    WRITE_CSR("pmpaddr0", (uint32_t)(uintptr_t)es_guard_start >> 2 | GUARD_SIZE_ONES);
    WRITE_CSR("pmpcfg0", LOCKED_ALIGNED_NO_ACCESS);
}

__attribute__((used, noreturn)) static void start(void) {
    bare_load_variables();
    bare_take_crash();
    WRITE_CSR("mtvec", (uint32_t)(uintptr_t)es_trap_handler);
    guard_stack();
    es_main();
    es_port_fatal("the application returned");
}

/* Paints the whole stack, on which it must not stand: no C. */
__attribute__((naked, noreturn, section(".text.reset"))) void es_reset_handler(void) {
    __asm volatile(".option push\n"
                   ".option norelax\n"
                   "la gp, __global_pointer$\n"
                   ".option pop\n"
                   "la t0, es_stack_low\n"
                   "la sp, es_stack_high\n"
                   "li t1, 0xC5C5C5C5\n"
                   "1: sw t1, 0(t0)\n"
                   "addi t0, t0, 4\n"
                   "bltu t0, sp, 1b\n"
                   "j %0\n" ::"i"(start));
}

/* The stack pointer is fresh: the one that trapped may point anywhere. */
__attribute__((used, noreturn)) static void report(void) {
    static char text[96];
    const uintptr_t low = (uintptr_t)es_stack_low, guard = (uintptr_t)es_guard_start;
    uint32_t pc, cause, address;
    char *out = text;

    READ_CSR("mepc", pc);
    READ_CSR("mcause", cause);
    READ_CSR("mtval", address);
    bare_keep_crash(ES_PORT_FAULT, pc);
    out = bare_put(out, "fault pc=");
    out = bare_put_hex(out, pc);
    out = bare_put(out, " mcause=");
    out = bare_put_hex(out, cause);
    out = bare_put(out, " address=");
    out = bare_put_hex(out, address);
    if (cause == MCAUSE_STORE && address >= guard && address < low) {
        out = bare_put(out, " stack overflow");
    }
    *out = '\0';
    es_port_fatal(text);
}

__attribute__((naked, aligned(4))) void es_trap_handler(void) {
    __asm volatile("la sp, es_stack_high\n"
                   "j %0\n" ::"i"(report));
}
