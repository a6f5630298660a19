/* What the shared protocol code asks of an image; here the same for every model. */
#ifndef BENCH_CONFIG_H
#define BENCH_CONFIG_H

/* A line of `db HEX` carries 2,000 bytes of input. */
#define BENCH_COMMAND_BYTES 4096

#endif
