/* What a machine adds to the port of its core: a UART, a clock, a watchdog. */
#ifndef DEVICES_H
#define DEVICES_H

#include <stdint.h>

/* Starts the UART with its receive interrupt, whose number is BOARD_UART_IRQ. */
void uart_start(void);

/* Off, a character stays in the UART until someone reads it. */
void uart_receive_interrupt(int on);

/* The next character that has come, or -1. */
int uart_receive(void);

/* Both wait: for room, and until all is on its way. */
void uart_send(char c);
void uart_flush(void);

/* es_port_ticks() and its facts are the clock's too. */
void clock_start(void);

/* Time may stand still while nothing is to be done. An emulator that waits leaps to the next event
 * of any timer, again and again: with the clock stopped there is none, and it sleeps. */
void clock_run(int on);

/* Until the next es_port_watchdog_feed(). The watchdog's functions in es_port.h are the machine's.
 */
void watchdog_pause(void);

/* Whether es_port_watchdog_start() was called. A machine without a watchdog need not define it. */
int watchdog_is_started(void);

/* Of the core's port: where the UART's vector leads. */
void console_received(void);

#endif
