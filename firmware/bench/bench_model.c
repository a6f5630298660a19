/* The model under test: its memory, its input, its runs and what they were seen to do. */
#include "bench_model.h"

#include "bench_config.h"
#include "bench_loop.h"
#include "bench_trace.h"
#include "es_port.h"
#include "es_table.h"

#include <string.h>

#define GUARD_BYTES  64
#define GUARD        0x3C
#define STACK_MARGIN 256 /* below the painting function, left alone */
#define AT_LEAST(n)  ((n) > 0 ? (n) : 1)

/* The banks of the arena, each in its region and between guards. */
#define GUARDED(index, region, bytes, alignment)                                                   \
    static ES_IN_REGION(region) struct {                                                           \
        _Alignas(alignment) uint8_t before[GUARD_BYTES];                                           \
        _Alignas(alignment) uint8_t arena[AT_LEAST(bytes)];                                        \
        _Alignas(ES_ALIGNMENT) uint8_t after[GUARD_BYTES];                                         \
    } bank_##index;
BENCH_BANKS(GUARDED)

#define ENTRY(index, region, bytes, alignment) {bank_##index.arena, sizeof bank_##index.arena},
static const es_bank_t banks[] = {BENCH_BANKS(ENTRY)};
#define GUARDS(index, region, bytes, alignment) {bank_##index.before, bank_##index.after},
static uint8_t *const guards[][2] = {BENCH_BANKS(GUARDS)};
#define NAME(index, region, bytes, alignment) region,
static const char *const names[] = {BENCH_BANKS(NAME)};
enum { BANK_COUNT = sizeof banks / sizeof *banks };

static es_model_t model;

static struct {
    es_status_t status;
    const char *fault;
    uint64_t init_units;
    uint64_t empty_units; /* what a measurement of nothing shows */
    bool has_run, has_steps;
    uint32_t output_crc;
    uint32_t stack_high_water; /* before the stack was last painted anew */
    uint64_t step_units[AT_LEAST(BENCH_STEP_COUNT)];
    uint32_t step_crc[AT_LEAST(BENCH_STEP_COUNT)];
} seen;

static struct {
    uint32_t expected, got;
    bool through_adapter;
    bench_feed_t feed;  /* null: fed rows come from the pristine copy */
    uint32_t given_crc; /* of what a run was given, while `feed` is set */
    /* The pristine copy, as it came: through the adapter or as the tensors' own bytes. */
    _Alignas(8) uint8_t
        data[AT_LEAST(BENCH_LOAD_BYTES > BENCH_INPUT_BYTES ? BENCH_LOAD_BYTES : BENCH_INPUT_BYTES)];
} input;

static const es_header_t *header(void) {
    return (const es_header_t *)model.table;
}

/* Time. */

static uint64_t units_of(uint64_t ticks) {
    return (ticks * BENCH_UNITS_NUMERATOR + BENCH_UNITS_DENOMINATOR / 2) / BENCH_UNITS_DENOMINATOR;
}

static uint64_t interval(uint64_t begin, uint64_t end) {
    const uint64_t units = units_of(end - begin);
    return units > seen.empty_units ? units - seen.empty_units : 0;
}

static uint64_t microseconds_of(uint64_t ticks) {
    const uint32_t hz = es_port_ticks_hz();
    return ticks / hz * 1000000 + ticks % hz * 1000000 / hz;
}

uint64_t bench_microseconds(void) {
    return microseconds_of(es_port_ticks());
}

uint64_t bench_units_as_microseconds(uint64_t units) {
    return microseconds_of(units * BENCH_UNITS_DENOMINATOR / BENCH_UNITS_NUMERATOR);
}

/* What it costs to look at the clock: the least of a few looks. */
static void measure_nothing(void) {
    seen.empty_units = 0;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        const uint32_t state = es_port_mask();
        const uint64_t begin = es_port_ticks();
        const uint64_t end = es_port_ticks();
        es_port_unmask(state);
        least = units_of(end - begin) < least ? units_of(end - begin) : least;
    }
    seen.empty_units = least;
}

/* Four bits at a time. */

uint32_t bench_crc_update(uint32_t crc, const uint8_t *bytes, uint32_t count) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
        0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
        0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };

    crc = ~crc;
    for (uint32_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static uint32_t crc_of_outputs(void) {
    uint32_t crc = 0;
    for (uint32_t i = 0; i < es_output_count(&model); i++) {
        crc = bench_crc_update(crc, es_output(&model, i), es_output_bytes(&model, i));
    }
    return crc;
}

/* Start. */

static void feed_rows(void *context, uint32_t index, uint32_t y0, uint32_t y1, const es_rows_t *in);

static uint64_t total_input_bytes(void) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < es_input_count(&model); i++) {
        total += es_input_bytes(&model, i);
    }
    return total;
}

static const char *start(void) {
#ifdef ES_MODEL_IN_PARTITION
    size_t bytes;
    const void *table = es_port_partition(&bytes);
    if (table == NULL) {
        return "there is no model partition";
    }
#else
    const void *table = BENCH_TABLE;
    const size_t bytes = BENCH_TABLE_BYTES;
#endif
    const uint32_t state = es_port_mask();
    const uint64_t begin = es_port_ticks();
    seen.status =
        es_init_banks(&model, table, bytes, BENCH_KERNELS, BENCH_KERNEL_COUNT, banks, BANK_COUNT);
    const uint64_t end = es_port_ticks();
    es_port_unmask(state);
    if (seen.status != ES_OK) {
        return es_status_text(seen.status);
    }
    static const es_source_t source = {NULL, feed_rows};
    es_set_source(&model, &source);
    seen.init_units = interval(begin, end);
    if (es_step_count(&model) > BENCH_STEP_COUNT || total_input_bytes() != BENCH_INPUT_BYTES) {
        return "a model of other size than this image was built for";
    }
    return NULL;
}

void bench_model_start(void) {
    for (uint32_t i = 0; i < BANK_COUNT; i++) {
        memset(guards[i][0], GUARD, GUARD_BYTES);
        memset(guards[i][1], GUARD, GUARD_BYTES);
    }
    measure_nothing();
    seen.fault = start();
}

const char *bench_model_fault(void) {
    return seen.fault;
}

const es_model_t *bench_model(void) {
    return &model;
}

uint64_t bench_init_units(void) {
    return seen.init_units;
}

/* Input. */

uint32_t bench_input_bytes(void) {
    return BENCH_INPUT_BYTES;
}

uint32_t bench_load_bytes(void) {
    return BENCH_LOAD_BYTES;
}

bool bench_load_begin(uint32_t bytes, bool through_adapter) {
    if (bytes == 0 || bytes > (through_adapter ? BENCH_LOAD_BYTES : BENCH_INPUT_BYTES)) {
        return false;
    }
    input.expected = bytes;
    input.got = 0;
    input.through_adapter = through_adapter;
    return true;
}

const char *bench_load_byte_room(uint32_t count) {
    if (input.expected == 0) {
        return "db load comes first";
    }
    return count > input.expected - input.got ? "more bytes than expected" : NULL;
}

bool bench_load_byte(uint8_t byte) {
    input.data[input.got++] = byte;
    return input.got == input.expected;
}

const uint8_t *bench_loaded(uint32_t *bytes) {
    *bytes = input.got;
    return input.data;
}

void bench_feed_from(bench_feed_t feed) {
    input.feed = feed;
}

uint32_t bench_input_crc(void) {
    if (input.feed != NULL) {
        return input.given_crc;
    }
    return bench_crc_update(0, input.data, input.expected == 0 ? BENCH_INPUT_BYTES : input.got);
}

/* A fresh device has an input of zero bytes; once bytes were announced, they must all be there. */
const char *bench_input_fault(void) {
    const uint32_t whole = input.through_adapter ? BENCH_LOAD_BYTES : BENCH_INPUT_BYTES;
    if (input.expected == 0) {
        return NULL;
    }
    return input.got != whole ? "the input is not complete" : NULL;
}

void bench_fill(uint32_t seed) {
    uint8_t *to = input.data;
    uint32_t x = seed;

    for (uint32_t i = 0; i < es_input_count(&model); i++) {
        const es_port_info_t info = es_input_info(&model, i);
        const uint32_t element_bytes = info.elements > 0 ? info.bytes / info.elements : 0;
        for (uint32_t k = 0; k < info.elements; k++, to += element_bytes) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            const int8_t value = (int8_t)(x & 0xFF);
            if (info.dtype == ES_FLOAT32) {
                const float real = (float)value / 128.0f;
                memcpy(to, &real, sizeof real);
            } else {
                const int64_t wide = value;
                memcpy(to, &wide, element_bytes);
            }
        }
    }
    input.expected = input.got = BENCH_INPUT_BYTES;
    input.through_adapter = false;
}

#if BENCH_ADAPTER == BENCH_ADAPTER_FLOAT32_QUANTIZE
enum { DATA_BYTES = 4 };

/* round(x / scale) + zero point, halves away from zero, saturated: as TFLite's QUANTIZE. */
static int8_t quantize(float real, const es_port_info_t *info) {
    const float scaled = real / info->scale;
    const int32_t zero = info->zero_point;
    if (!(scaled > -1000.0f)) {
        return INT8_MIN;
    }
    if (scaled > 1000.0f) {
        return INT8_MAX;
    }
    const int32_t whole = (int32_t)scaled; /* towards zero */
    const float rest = scaled - (float)whole;
    const int32_t q = zero + whole + (rest >= 0.5f) - (rest <= -0.5f);
    return (int8_t)(q < INT8_MIN ? INT8_MIN : q > INT8_MAX ? INT8_MAX : q);
}

static int8_t adapted(const uint8_t *data, const es_port_info_t *info) {
    float real;
    memcpy(&real, data, sizeof real);
    return quantize(real, info);
}
#else
enum { DATA_BYTES = 1 };

static int8_t adapted(const uint8_t *data, const es_port_info_t *info) {
    (void)info;
    return (int8_t)(*data ^ 0x80);
}
#endif

/* Elements [first, first + count) of input `index`, from the pristine copy. */
static void copy_elements(uint8_t *to, uint32_t index, uint32_t first, uint32_t count) {
    const bool adapting = input.through_adapter && BENCH_ADAPTER != BENCH_ADAPTER_NONE;
    const es_port_info_t info = es_input_info(&model, index);
    const uint32_t element_bytes = adapting ? DATA_BYTES : info.bytes / info.elements;
    const uint8_t *from = input.data;

    for (uint32_t i = 0; i < index; i++) {
        const es_port_info_t before = es_input_info(&model, i);
        from += adapting ? before.elements * DATA_BYTES : before.bytes;
    }
    from += first * element_bytes;
    if (!adapting) {
        memcpy(to, from, count * element_bytes);
        return;
    }
    for (uint32_t k = 0; k < count; k++, from += DATA_BYTES) {
        to[k] = (uint8_t)adapted(from, &info);
    }
}

static void give_row(uint32_t index, uint32_t row, uint8_t *to, uint32_t bytes) {
    if (!input.feed(index, row, to, bytes)) {
        memset(to, 0, bytes);
    }
    input.given_crc = bench_crc_update(input.given_crc, to, bytes);
}

/* Inputs that are fed by rows stay in the pristine copy until the model asks for them. */
static void feed_rows(void *context, uint32_t index, uint32_t y0, uint32_t y1,
                      const es_rows_t *in) {
    const uint32_t count = in->w * in->c;
    (void)context;

    for (uint32_t y = y0; y < y1; y++) {
        if (input.feed != NULL) {
            give_row(index, y, es_row(in, y), count * in->element_bytes);
        } else {
            copy_elements(es_row(in, y), index, y * count, count);
        }
    }
}

static void place_input(void) {
    input.given_crc = 0;
    for (uint32_t i = 0; i < es_input_count(&model); i++) {
        const es_port_info_t info = es_input_info(&model, i);
        if (es_input(&model, i) != NULL && info.elements > 0) {
            copy_elements(es_input(&model, i), i, 0, info.elements);
            input.given_crc = bench_crc_update(input.given_crc, es_input(&model, i), info.bytes);
        }
    }
}

uint32_t bench_fed_count(void) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < es_input_count(&model); i++) {
        count += es_input(&model, i) == NULL;
    }
    return count;
}

/* Runs. */

uint64_t bench_run(uint32_t *crc) {
    place_input();
    es_port_watchdog_feed();
    const uint32_t state = es_port_mask();
    if (input.feed != NULL) {
        es_port_unmask(state); /* rows come through interrupts, and then nothing is measured */
    }
    const uint64_t begin = es_port_ticks();
    es_run(&model);
    const uint64_t end = es_port_ticks();
    es_port_unmask(state);
    seen.has_run = true;
    seen.output_crc = crc_of_outputs();
    *crc = seen.output_crc;
    return interval(begin, end);
}

void bench_run_unseen(void) {
    place_input();
    es_port_watchdog_feed();
    es_run(&model);
    seen.has_run = true;
}

uint32_t bench_last_output_crc(void) {
    seen.output_crc = crc_of_outputs();
    return seen.output_crc;
}

static struct {
    uint64_t begin;
    bench_row_t row;
} watch;

static void before_step(void *context, uint32_t step) {
    (void)context, (void)step;
    watch.begin = es_port_ticks();
}

static void count_rows(void *context, uint32_t step, const es_rows_t *out, uint32_t y0,
                       uint32_t y1) {
    const uint64_t end = es_port_ticks();
    const uint32_t bytes = out->w * out->c * out->element_bytes;
    (void)context;

    seen.step_units[step] += interval(watch.begin, end);
    for (uint32_t y = y0; y < y1; y++) {
        seen.step_crc[step] = bench_crc_update(seen.step_crc[step], es_row(out, y), bytes);
    }
    es_port_watchdog_feed();
}

uint64_t bench_run_observed(uint32_t *crc) {
    static const es_observer_t observer = {NULL, before_step, count_rows};
    memset(seen.step_units, 0, sizeof seen.step_units);
    memset(seen.step_crc, 0, sizeof seen.step_crc);
    model.observer = &observer;
    const uint64_t units = bench_run(crc);
    model.observer = NULL;
    seen.has_steps = true;
    return units;
}

static void pass_rows(void *context, uint32_t step, const es_rows_t *out, uint32_t y0,
                      uint32_t y1) {
    (void)context;
    for (uint32_t y = y0; y < y1; y++) {
        watch.row(step, y, es_row(out, y), out->w * out->c * out->element_bytes);
    }
}

void bench_run_rows(bench_row_t row) {
    static const es_observer_t observer = {NULL, NULL, pass_rows};
    watch.row = row;
    place_input();
    model.observer = &observer;
    es_run(&model);
    model.observer = NULL;
    seen.has_run = true;
    seen.output_crc = crc_of_outputs();
}

bool bench_has_run(void) {
    return seen.has_run;
}

bool bench_has_steps(void) {
    return seen.has_steps;
}

uint64_t bench_step_units(uint32_t step) {
    return seen.step_units[step];
}

uint32_t bench_step_crc(uint32_t step) {
    return seen.step_crc[step];
}

uint32_t bench_output_crc(void) {
    return seen.output_crc;
}

bool bench_is_stateful(void) {
    return header()->state_count > 0;
}

void bench_reset_state(void) {
    es_reset(&model);
}

/* Memory. */

uint32_t bench_bank_count(void) {
    return BANK_COUNT;
}

const char *bench_bank_name(uint32_t bank) {
    return names[bank];
}

static uint32_t highest_changed(const es_bank_t *bank, uint8_t paint) {
    const uint8_t *bytes = bank->base;
    uint32_t end = (uint32_t)bank->bytes;
    while (end > 0 && bytes[end - 1] == paint) {
        end--;
    }
    return end;
}

static bool guards_intact(void) {
    for (uint32_t i = 0; i < BANK_COUNT * GUARD_BYTES; i++) {
        uint8_t *const *pair = guards[i / GUARD_BYTES];
        if (pair[0][i % GUARD_BYTES] != GUARD || pair[1][i % GUARD_BYTES] != GUARD) {
            return false;
        }
    }
    return true;
}

/* Paints the free part of the stack; returns its upper end. */
__attribute__((noinline, no_sanitize("address"))) static uint8_t *paint_stack(void) {
    const es_port_stack_t stack = es_port_stack();
    uint8_t *end = (uint8_t *)__builtin_frame_address(0) - STACK_MARGIN;
    for (volatile uint8_t *p = stack.low; stack.low != NULL && p < end; p++) {
        *p = ES_PORT_STACK_PAINT;
    }
    return end;
}

__attribute__((noinline, no_sanitize("address"))) static uint8_t *lowest_used(void) {
    const es_port_stack_t stack = es_port_stack();
    volatile uint8_t *p = stack.low;
    while (p != NULL && p < stack.high && *p == ES_PORT_STACK_PAINT) {
        p++;
    }
    return (uint8_t *)p;
}

/* Where the frames of what the caller calls begin: that is, where its own ends. */
__attribute__((noinline)) static const uint8_t *begin_of_calls(void) {
    return (const uint8_t *)__builtin_dwarf_cfa();
}

/* The stack that one es_run() takes below the frame of this function. */
__attribute__((noinline)) static uint32_t run_on_painted_stack(void) {
    const uint32_t state = es_port_mask();
    seen.stack_high_water = bench_stack_high_water();
    paint_stack();
    es_run(&model);
    const uint8_t *low = lowest_used();
    const uint8_t *here = begin_of_calls();
    es_port_unmask(state);
    return low != NULL && low < here ? (uint32_t)(here - low) : 0;
}

bench_memory_t bench_measure_memory(void) {
    static const uint8_t paints[] = {0xA5, 0x5A};
    bench_memory_t memory = {.guards_intact = true};

    for (uint32_t i = 0; i < sizeof paints; i++) {
        for (uint32_t bank = 0; bank < BANK_COUNT; bank++) {
            memset(banks[bank].base, paints[i], banks[bank].bytes);
        }
        es_reset(&model);
        place_input();
        const uint32_t stack_bytes = run_on_painted_stack();
        for (uint32_t bank = 0; bank < BANK_COUNT; bank++) {
            const uint32_t bytes = highest_changed(&banks[bank], paints[i]);
            memory.bank_bytes[bank] =
                bytes > memory.bank_bytes[bank] ? bytes : memory.bank_bytes[bank];
        }
        memory.guards_intact = memory.guards_intact && guards_intact();
        memory.stack_bytes = stack_bytes > memory.stack_bytes ? stack_bytes : memory.stack_bytes;
    }
    es_reset(&model);
    seen.has_run = true;
    seen.output_crc = crc_of_outputs();
    return memory;
}

uint32_t bench_stack_high_water(void) {
    const es_port_stack_t stack = es_port_stack();
    const uint32_t now = stack.low == NULL ? 0 : (uint32_t)(stack.high - lowest_used());
    return now > seen.stack_high_water ? now : seen.stack_high_water;
}

uint32_t bench_ram_bytes(void) {
    return (uint32_t)(BANK_COUNT * 2 * GUARD_BYTES + sizeof seen + sizeof input +
                      bench_loop_ram_bytes() + trace_ram_bytes() + BENCH_COMMAND_BYTES);
}
