/* What the two halves of this port share. */
#ifndef AN500_H
#define AN500_H

#define AN500_INTERRUPTS 1 /* interrupt 0: UART 0 has received */

void an500_console_received(void);

#endif
