/* What a board must supply. Nothing above this header knows a vendor.
 *
 * A port is a folder in firmware/ports/: it brings the processor up, calls es_main(), and defines
 * the functions below. docs/PORTING.md tells how to write one. */
#ifndef ES_PORT_H
#define ES_PORT_H

#include <stddef.h>
#include <stdint.h>

#define ES_PORT_FOREVER UINT32_MAX

enum {
    ES_PORT_NONE = -1,   /* no character came in time */
    ES_PORT_CLOSED = -2, /* the line has ended for good: only where it can, such as on the host */
};

/* Puts a bank of the arena into the memory region (a string) of the board's file that it is planned
 * for. A linker script has a place for it, or leaves it to .bss, where that lies in the region. */
#define ES_IN_REGION(region) __attribute__((section(".bss.bank." region)))

/* The byte that the stack is painted with before es_main(), from `low` up. */
#define ES_PORT_STACK_PAINT 0xC5u

/* The stack grows down from `high` to `low`. */
typedef struct es_port_stack {
    uint8_t *low;
    uint8_t *high;
} es_port_stack_t;

/* The application: the port calls it once the processor is up. It need not return. */
void es_main(void);

/* Clock and console. es_main() calls it once, first. */
void es_port_start(void);

/* A count that never goes back, and its rate. Reading it must cost the same every time. The rate
 * is for wall time; a simulated core may well count something else (its board file says what). */
uint64_t es_port_ticks(void);
uint32_t es_port_ticks_hz(void);
const char *es_port_time_source(void);

/* The next character (0..255) of the console, ES_PORT_NONE after `timeout_ms`, or ES_PORT_CLOSED.
 * Writing waits until there is room; es_port_flush() waits until everything is on its way. */
int es_port_read(uint32_t timeout_ms);
void es_port_write(char c);
void es_port_flush(void);

/* Nothing to do until something happens: the processor may sleep. Never called while measuring. */
void es_port_idle(void);

/* Around what is measured: interrupts off, and back to what they were. */
uint32_t es_port_mask(void);
void es_port_unmask(uint32_t state);

/* From here on the board starts again when nobody feeds its watchdog for `timeout_ms` (as far as
 * its counter goes). Waiting for a character without end is not idling: the watchdog waits too. 0
 * where there is none. Feeding one that was never started does nothing. */
int es_port_watchdog_start(uint32_t timeout_ms);
void es_port_watchdog_feed(void);
_Noreturn void es_port_reset(void);

/* What is kept across a reset until power is lost. A port that can keep nothing need not define the
 * two functions below: loop/es_no_crash_record.c stands in. */
typedef enum es_port_cause {
    ES_PORT_NO_CRASH,
    ES_PORT_FAULT,    /* of the processor */
    ES_PORT_WATCHDOG, /* nobody fed it */
    ES_PORT_FATAL,    /* es_port_fatal() */
} es_port_cause_t;

typedef struct es_port_crash {
    es_port_cause_t cause;
    uint32_t pc;   /* 0 where it is not known */
    uint32_t mark; /* the last es_port_mark() before it */
} es_port_crash_t;

/* What the program is at, such as the step of a model; 0 after a reset. */
void es_port_mark(uint32_t mark);

/* How the run before this one ended: ES_PORT_NO_CRASH when it was reset in good order, or nobody
 * knows. */
es_port_crash_t es_port_last_crash(void);

/* Says `e-[reason]` on the console by the simplest means there is, then stops; or starts again,
 * where a watchdog was started. */
_Noreturn void es_port_fatal(const char *reason);

es_port_stack_t es_port_stack(void);

/* For MLPerf Tiny's energy mode, in which time stamps are pulses on a pin that a power meter sees.
 * A port that has none of it need not define the three functions; bench/bench_no_pulse.c stands in.
 *
 * The console's rate from here on, and the pin made an output that is high: 0 where it cannot be.
 */
int es_port_console_baud(uint32_t baud);
int es_port_pulse_start(void);
/* A falling edge, and at least a microsecond later a rising one. */
void es_port_pulse(void);

/* The flash partition of a model that is not linked in; null where the board has none. */
const void *es_port_partition(size_t *bytes);

#endif
