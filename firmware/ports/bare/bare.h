/* What ports without an operating system share. */
#ifndef BARE_H
#define BARE_H

#include "es_port.h"

#include <stdint.h>

/* Of the linker script. */
extern uint8_t es_stack_low[], es_stack_high[];

/* Variables as the program expects them to start: called before anything looks at one. */
void bare_load_variables(void);

/* Keeps why this run ends, for es_port_last_crash() of the next one; the first cause stands. */
void bare_keep_crash(es_port_cause_t cause, uint32_t pc);

/* Takes what the run before has kept: after bare_load_variables(), before a fault can happen. */
void bare_take_crash(void);

/* Text for the last words: where the next character goes. */
char *bare_put(char *out, const char *text);
char *bare_put_hex(char *out, uint32_t value);

/* `e-[reason]` by es_port_write(). */
void bare_complain(const char *reason);

#endif
