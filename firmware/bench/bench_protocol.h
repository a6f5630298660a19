/* The serial protocol of docs/FORMAT.md, the device's side. */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

/* Answers commands until the line is closed. */
void bench_protocol_run(void);

#endif
