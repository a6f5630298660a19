/* Text in and out of the console, by integers alone: no stdio. */
#ifndef BENCH_TEXT_H
#define BENCH_TEXT_H

#include <stdbool.h>
#include <stdint.h>

void text_put(const char *text);
void text_number(uint64_t value);
void text_hex(uint32_t value, uint32_t digits); /* lower case */
void text_hex_bytes(const uint8_t *bytes, uint32_t count);
void text_end(void); /* CR LF */

/* CRC-32, as zlib has it, of a command, a line feed, and all that was written since, carriage
 * returns left out. */
void text_crc_begin(const char *command);
uint32_t text_crc(void);

/* Text of unknown origin: at most `limit` characters; all that is not plain ASCII, or that frames
 * lines ([ ] %), comes as \xNN. */
void text_escaped(const char *text, uint32_t limit);

/* A float with three decimals, halves away from zero. Magnitudes from 2^53 up are shown as that. */
void text_milli(float value);

/* A line `m-es-KEY-[VALUE]`. */
void text_fact(const char *key, const char *value);
void text_fact_number(const char *key, uint64_t value);

/* The whole of `text` as an unsigned number, decimal or 0x hexadecimal; false if it is not one. */
bool text_parse(const char *text, uint32_t *value);

/* Two hexadecimal digits at `text` as a byte; -1 when they are not. */
int text_hex_byte(const char *text);

/* The host's answer to what the device has asked for: `count` bytes as HEX%, each character awaited
 * for so long. Null, or what is wrong with it. */
const char *text_receive(uint8_t *bytes, uint32_t count, uint32_t deadline_ms);

#endif
