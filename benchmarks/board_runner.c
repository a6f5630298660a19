/* Runs many model tables in one start of an emulated board: what each step writes, and its count.
 *
 * Cases come from the file `cases` and answers go to `answers`, both beside the emulator, through
 * its semihosting. A case is {u32 table bytes, u32 runs}, the table, and for each run the bytes of
 * all inputs. An answer is {u32 status, u32 steps}, and for each run {u32 whole run} and for each
 * step {u32 count, u32 turns, u32 CRC-32 of its rows}. Counts are in the units of bench_config.h;
 * the whole run is counted by itself, nobody watching. */
#include "bench_config.h"
#include "edgeserve.h"
#include "es_port.h"
#include "semihosting.h"

#include <string.h>

#ifndef RUNNER_TABLE_BYTES
#define RUNNER_TABLE_BYTES (1u << 20)
#endif
#ifndef RUNNER_ARENA_BYTES
#define RUNNER_ARENA_BYTES (1u << 20)
#endif

enum { STEPS = 64 };

/* Counts and checksums. */

static uint32_t empty;

static uint32_t units(uint64_t begin, uint64_t end) {
    const uint64_t ticks = end - begin;
    const uint64_t count =
        (ticks * BENCH_UNITS_NUMERATOR + BENCH_UNITS_DENOMINATOR / 2) / BENCH_UNITS_DENOMINATOR;
    return count > empty ? (uint32_t)(count - empty) : 0;
}

static uint32_t crc_update(uint32_t crc, const uint8_t *bytes, uint32_t count) {
    crc = ~crc;
    for (uint32_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

typedef struct seen {
    uint32_t count, turns, crc;
} seen_t;

static struct {
    uint64_t begin;
    seen_t steps[STEPS];
} watch;

static void before(void *context, uint32_t step) {
    (void)context, (void)step;
    watch.begin = es_port_ticks();
}

static void rows(void *context, uint32_t step, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint64_t end = es_port_ticks();
    seen_t *seen = &watch.steps[step];
    (void)context;

    seen->count += units(watch.begin, end);
    seen->turns++;
    for (uint32_t y = y0; y < y1; y++) {
        seen->crc = crc_update(seen->crc, es_row(out, y), out->w * out->c * out->element_bytes);
    }
}

/* Cases. */

static _Alignas(ES_ALIGNMENT) uint8_t table[RUNNER_TABLE_BYTES];
static _Alignas(ES_ALIGNMENT) uint8_t arena[RUNNER_ARENA_BYTES];
static uint8_t inputs[RUNNER_ARENA_BYTES / 2];
static es_model_t model;
static uintptr_t cases, answers;

/* Where es_init() keeps to the table that lies there, all inputs are whole. */
static void place_inputs(void) {
    const uint8_t *from = inputs;

    for (uint32_t i = 0; i < es_input_count(&model); i++) {
        memcpy(es_input(&model, i), from, es_input_bytes(&model, i));
        from += es_input_bytes(&model, i);
    }
}

/* A plugin of the emulator counts memory accesses from one to the other. */
__attribute__((noinline)) void runner_enter(void) {
    __asm volatile("");
}

__attribute__((noinline)) void runner_leave(void) {
    __asm volatile("");
}

static void run(uint32_t steps) {
    static const es_observer_t observer = {NULL, before, rows};
    uint32_t bytes = 0;

    for (uint32_t i = 0; i < es_input_count(&model); i++) {
        bytes += es_input_bytes(&model, i);
    }
    (void)file_read(cases, inputs, bytes);
    es_reset(&model);
    place_inputs();
    runner_enter();
    const uint64_t begin = es_port_ticks();
    es_run(&model);
    const uint64_t end = es_port_ticks();
    runner_leave();
    const uint32_t whole = units(begin, end);
    file_write(answers, &whole, sizeof whole);
    es_reset(&model);
    place_inputs();
    memset(watch.steps, 0, sizeof watch.steps);
    model.observer = &observer;
    es_run(&model);
    model.observer = NULL;
    file_write(answers, watch.steps, (uint32_t)(steps * sizeof(seen_t)));
}

static void measure_nothing(void) {
    uint32_t least = UINT32_MAX;

    empty = 0;
    for (int i = 0; i < 8; i++) {
        const uint64_t begin = es_port_ticks();
        const uint32_t now = units(begin, es_port_ticks());
        least = now < least ? now : least;
    }
    empty = least;
}

void es_main(void) {
    uint32_t head[2];

    es_port_start();
    (void)es_port_mask();
    measure_nothing();
    cases = file_open("cases", READ_BINARY);
    answers = file_open("answers", WRITE_BINARY);
    while (file_read(cases, head, sizeof head) == sizeof head) {
        uint32_t answer[] = {ES_TRUNCATED, 0};
        if (head[0] <= sizeof table && file_read(cases, table, head[0]) == head[0]) {
            answer[0] =
                es_init(&model, table, head[0], MODEL_KERNELS, RUNNER_KERNELS, arena, sizeof arena);
            answer[1] = answer[0] == ES_OK ? es_step_count(&model) : 0;
        }
        file_write(answers, answer, sizeof answer);
        for (uint32_t i = 0; i < head[1] && answer[0] == ES_OK && answer[1] <= STEPS; i++) {
            run(answer[1]);
        }
        if (answer[0] != ES_OK || answer[1] > STEPS) {
            break;
        }
    }
    leave();
}
