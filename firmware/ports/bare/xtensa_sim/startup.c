/* Reset and exceptions of an Xtensa core with the call0 ABI. */
#include "es_port.h"

#include "bare.h"

extern uint8_t es_vectors[];

/* An exception's way in, 0x30 from the kernel, 0x50 from a user and 0x70 twice, in that order. */
__asm(".section .vectors, \"ax\"\n"
      ".align 4096\n"
      ".global es_vectors\n"
      "es_vectors:\n"
      ".org 0x30\n j es_exception\n"
      ".org 0x50\n j es_exception\n"
      ".org 0x70\n j es_exception\n"
      ".align 4\n"
      ".literal_position\n"
      "es_exception:\n"
      " movi a1, es_stack_high\n"
      " movi a0, es_report\n"
      " jx a0\n"
      ".previous\n");

/* Where the core starts. The stack is painted before anything stands on it: no C. */
__asm(".section .reset, \"ax\"\n"
      ".global es_reset_vector\n"
      "es_reset_vector:\n"
      " j 1f\n"
      ".align 4\n"
      ".literal_position\n"
      "1:\n"
      " movi a1, es_stack_high\n"
      " movi a2, es_stack_low\n"
      " movi a3, 0xC5C5C5C5\n"
      "2: s32i a3, a2, 0\n"
      " addi a2, a2, 4\n"
      " bltu a2, a1, 2b\n"
      " movi a2, es_vectors\n"
      " wsr a2, vecbase\n"
      " movi a2, 0\n"
      " wsr a2, ps\n"
      " rsync\n"
      " movi a0, es_start\n"
      " jx a0\n"
      ".previous\n");

_Noreturn void es_start(void);
_Noreturn void es_report(void);

void es_start(void) {
    bare_load_variables();
    bare_take_crash();
    es_main();
    es_port_fatal("the application returned");
}

/* The stack pointer is fresh: the one that faulted may point anywhere. */
void es_report(void) {
    static char text[96];
    uint32_t pc, cause, address;
    char *out = text;

    __asm volatile("rsr %0, epc1\n rsr %1, exccause\n rsr %2, excvaddr"
                   : "=&r"(pc), "=&r"(cause), "=&r"(address));
    bare_keep_crash(ES_PORT_FAULT, pc);
    out = bare_put(out, "fault pc=");
    out = bare_put_hex(out, pc);
    out = bare_put(out, " exccause=");
    out = bare_put_hex(out, cause);
    out = bare_put(out, " address=");
    out = bare_put_hex(out, address);
    if (address < (uintptr_t)es_stack_low && address >= (uintptr_t)es_stack_low - 4096) {
        out = bare_put(out, " stack overflow");
    }
    *out = '\0';
    es_port_fatal(text);
}
