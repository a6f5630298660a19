/* The model under test: its memory, its input, its runs and what they were seen to do. */
#ifndef BENCH_MODEL_H
#define BENCH_MODEL_H

#include "edgeserve.h"

#include <stdbool.h>

/* Called with each row that a step has written. */
typedef void (*bench_row_t)(uint32_t step, uint32_t row, const uint8_t *bytes, uint32_t count);

typedef struct bench_memory {
    /* Of each bank of the arena the highest byte that an inference has changed, plus one. */
    uint32_t bank_bytes[ES_MOST_BANKS];
    bool guards_intact;
    uint32_t stack_bytes; /* that es_run() used below its caller; 0 where it cannot be seen */
} bench_memory_t;

/* Readies the model. What is wrong is said by bench_model_fault(): null when all is well. */
void bench_model_start(void);
const char *bench_model_fault(void);
const es_model_t *bench_model(void);
uint64_t bench_init_units(void);

/* The input. `db` data is what the input adapter takes, `es` data the tensors' own bytes; both are
 * all inputs, one after the other. */
uint32_t bench_input_bytes(void);
uint32_t bench_load_bytes(void);
uint32_t bench_fed_count(void); /* inputs that are fed by rows */

/* Gives a row of an input that is fed by rows; false: there is none, and zeros take its place. */
typedef bool (*bench_feed_t)(uint32_t input, uint32_t row, uint8_t *bytes, uint32_t count);
void bench_feed_from(bench_feed_t feed); /* null: rows come from the loaded input */

bool bench_load_begin(uint32_t bytes, bool through_adapter);
const char *bench_load_byte_room(uint32_t count); /* null, or why `count` more cannot be taken */
bool bench_load_byte(uint8_t byte);               /* true when it was the last one awaited */
const uint8_t *bench_loaded(uint32_t *bytes);
void bench_fill(uint32_t seed);
/* Of the loaded input; while rows come from elsewhere, of what the last run was given: the inputs
 * that lie there whole, then the rows in the order in which they were asked for. */
uint32_t bench_input_crc(void);
const char *bench_input_fault(void); /* null, or why the input is not complete */

/* One inference on the input; returns what it took, in units. Output CRC in *crc. */
uint64_t bench_run(uint32_t *crc);

/* One inference on the loaded input of which nothing is measured or checked; and afterwards the CRC
 * of what it left. */
void bench_run_unseen(void);
uint32_t bench_last_output_crc(void);
uint64_t bench_run_observed(uint32_t *crc); /* and keeps counts and CRCs of all steps */
void bench_run_rows(bench_row_t row);
bool bench_has_run(void);
bool bench_has_steps(void);
uint64_t bench_step_units(uint32_t step);
uint32_t bench_step_crc(uint32_t step);
uint32_t bench_output_crc(void);
bool bench_is_stateful(void);
void bench_reset_state(void);
bench_memory_t bench_measure_memory(void); /* resets the state */
uint32_t bench_bank_count(void);
const char *bench_bank_name(uint32_t bank);

/* Bytes of the stack used so far, from its high end; 0 where the stack is unknown. */
uint32_t bench_stack_high_water(void);
uint32_t bench_ram_bytes(void);

uint64_t bench_microseconds(void);
uint64_t bench_units_as_microseconds(uint64_t units);

/* CRC-32 as zlib has it; `crc` is that of the bytes before, 0 where there are none. */
uint32_t bench_crc_update(uint32_t crc, const uint8_t *bytes, uint32_t count);

#endif
