/* What ports without an operating system share. */
#ifndef BARE_H
#define BARE_H

#include <stdint.h>

/* Of the linker script. */
extern uint8_t es_stack_low[], es_stack_high[];

/* Variables as the program expects them to start: called before anything looks at one. */
void bare_load_variables(void);

/* Text for the last words: where the next character goes. */
char *bare_put(char *out, const char *text);
char *bare_put_hex(char *out, uint32_t value);

/* `e-[reason]` by es_port_write(). */
void bare_complain(const char *reason);

#endif
