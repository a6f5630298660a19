/* Our own commands, behind the word `es`. */
#include "bench_command.h"
#include "bench_config.h"
#include "bench_loop.h"
#include "bench_model.h"
#include "bench_stream.h"
#include "bench_text.h"
#include "bench_trace.h"
#include "es_port.h"
#include "es_table.h"

#include <string.h>

enum { PROTOCOL_VERSION = 1, BYTES_A_LINE = 64, DEFAULT_ANSWER_MS = 5000 };

static bench_memory_t memory;
static bool memory_measured;

static void es_lap(const words_t *words) {
    command_infer(words, 2, true);
}

static void say_banks(void) {
    for (uint32_t i = 0; bench_bank_count() > 1 && i < bench_bank_count(); i++) {
        text_put("m-es-bank-");
        text_number(i);
        text_put("-[");
        text_put(bench_bank_name(i));
        text_put(" ");
        text_number(es_bank_bytes(bench_model(), i));
        command_line("]");
    }
}

static uint32_t arena_high_water(void) {
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < bench_bank_count(); i++) {
        bytes += memory.bank_bytes[i];
    }
    return bytes;
}

static void say_model_facts(void) {
    const es_model_t *model = bench_model();

    text_put("m-es-sha256-[");
    text_hex_bytes(es_table_sha256(model), 8);
    command_line("]");
    text_fact_number("table", es_table_bytes(model));
    text_fact_number("arena", es_arena_bytes(model));
    say_banks();
    text_fact_number("steps", es_step_count(model));
    text_fact_number("inputs", es_input_count(model));
    text_fact_number("outputs", es_output_count(model));
    text_fact_number("fed", bench_fed_count());
    text_fact_number("input-bytes", bench_input_bytes());
    text_fact_number("load-bytes", bench_load_bytes());
    text_fact("state", bench_is_stateful() ? "kept" : "none");
    text_fact_number("init", bench_init_units());
}

static void say_memory(void) {
    text_put("m-es-arena-high-water-");
    text_number(arena_high_water());
    text_put("\r\nm-es-arena-guards-[");
    text_put(memory.guards_intact ? "ok" : "broken");
    text_put("]\r\nm-es-stack-high-water-");
    text_number(memory.stack_bytes);
    text_end();
    for (uint32_t i = 0; bench_bank_count() > 1 && i < bench_bank_count(); i++) {
        text_put("m-es-bank-high-water-");
        text_number(i);
        text_put("-");
        text_number(memory.bank_bytes[i]);
        text_end();
    }
}

static void es_info(const words_t *words) {
    (void)words;
    text_fact_number("protocol", PROTOCOL_VERSION);
    text_put("m-es-runtime-[format ");
    text_number(ES_FORMAT_VERSION);
    text_put(" kernels ");
    text_number(ES_KERNEL_SET_VERSION);
    command_line("]");
    text_fact("model", command_model_name());
    text_fact("status", bench_model_fault() == NULL ? "ready" : bench_model_fault());
    text_fact("board", BENCH_BOARD_ID);
    if (bench_model_fault() == NULL) {
        say_model_facts();
    }
    if (memory_measured) {
        text_fact_number("arena-high-water", arena_high_water());
        text_fact_number("stack-high-water", memory.stack_bytes);
    }
    text_fact_number("image-stack-high-water", bench_stack_high_water());
    text_fact_number("bench-ram", bench_ram_bytes());
    text_fact("adapter", BENCH_ADAPTER_NAME);
    text_fact("time-source", es_port_time_source());
    text_fact_number("ticks-hz", es_port_ticks_hz());
    text_fact("unit", BENCH_UNIT);
    text_fact_number("command-bytes", BENCH_COMMAND_BYTES);
    if (bench_has_run()) {
        command_say_output_crc();
    }
}

static void es_memory(const words_t *words) {
    (void)words;
    if (!command_may_run()) {
        return;
    }
    memory = bench_measure_memory();
    memory_measured = true;
    say_memory();
}

static void es_load(const words_t *words) {
    command_expect(words, 2, false);
}

static void es_fill(const words_t *words) {
    uint32_t seed = 0;
    if (!command_number(words, 2, 0, &seed)) {
        return;
    }
    if (seed == 0) {
        command_error("the seed must not be 0");
        return;
    }
    bench_fill(seed);
    command_line("m-es-fill-done");
}

static void es_reset_state(const words_t *words) {
    (void)words;
    bench_reset_state();
    command_line("m-es-reset-done");
}

static void es_run_once(const words_t *words) {
    uint32_t crc;
    (void)words;
    if (bench_input_fault() != NULL) {
        command_error(bench_input_fault());
        return;
    }
    stream_begin();
    (void)bench_run_observed(&crc);
    if (stream_fault() != NULL) {
        command_error(stream_fault());
        return;
    }
    command_line("m-es-run-done");
    command_say_input_crc();
    command_say_output_crc();
}

static void say_crc(uint32_t step) {
    text_put("m-es-crc-");
    text_number(step);
    text_put("-");
    text_hex(bench_step_crc(step), 8);
    text_end();
}

static void es_crc(const words_t *words) {
    uint32_t step = 0;
    if (!bench_has_steps()) {
        command_error("es run comes first");
        return;
    }
    if (words->count == 2) {
        for (uint32_t i = 0; i < es_step_count(bench_model()); i++) {
            say_crc(i);
        }
        return;
    }
    if (!command_number(words, 2, 0, &step)) {
        return;
    }
    if (step >= es_step_count(bench_model())) {
        command_error("there is no such step");
        return;
    }
    say_crc(step);
}

static void es_prof(const words_t *words) {
    static const char *const names[] = BENCH_KERNEL_NAMES;
    (void)words;
    if (!bench_has_steps()) {
        command_error("es run comes first");
        return;
    }
    for (uint32_t i = 0; i < es_step_count(bench_model()); i++) {
        const uint32_t kernel = es_step_kernel(bench_model(), i);
        text_put("m-es-step-");
        text_number(i);
        text_put("-[");
        text_put(kernel < sizeof names / sizeof *names && names[kernel] != NULL ? names[kernel]
                                                                                : "unknown");
        text_put("]-");
        text_number(bench_step_units(i));
        text_end();
    }
}

static void say_bytes(const char *what, uint32_t offset, const uint8_t *bytes, uint32_t count) {
    text_put(what);
    text_number(offset);
    text_put("-");
    text_hex_bytes(bytes, count);
    text_end();
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Bytes [offset, offset + count) of all outputs in a row. */
static void es_out(const words_t *words) {
    uint32_t offset, count, base = 0;
    if (!command_number(words, 2, 0, &offset) || !command_number(words, 3, UINT32_MAX, &count)) {
        return;
    }
    if (!bench_has_run()) {
        command_error("nothing has run yet");
        return;
    }
    for (uint32_t i = 0; i < es_output_count(bench_model()); i++) {
        const uint8_t *data = es_output(bench_model(), i);
        const uint32_t end = base + es_output_bytes(bench_model(), i);
        while (count > 0 && offset >= base && offset < end) {
            const uint32_t n = smaller(smaller(count, end - offset), BYTES_A_LINE);
            say_bytes("m-es-out-", offset, data + (offset - base), n);
            offset += n;
            count -= n;
        }
        base = end;
    }
}

static struct {
    uint32_t step, row0, rows;
} dump;

static void dump_row(uint32_t step, uint32_t row, const uint8_t *bytes, uint32_t count) {
    if (step != dump.step || row < dump.row0 || row - dump.row0 >= dump.rows) {
        return;
    }
    for (uint32_t offset = 0; offset < count; offset += BYTES_A_LINE) {
        text_put("m-es-dump-");
        text_number(step);
        text_put("-");
        text_number(row);
        say_bytes("-", offset, bytes + offset, smaller(count - offset, BYTES_A_LINE));
    }
}

static void es_dump(const words_t *words) {
    if (words->count != 5) {
        command_error("usage: es dump STEP ROW N");
        return;
    }
    if (!command_number(words, 2, 0, &dump.step) || !command_number(words, 3, 0, &dump.row0) ||
        !command_number(words, 4, 0, &dump.rows)) {
        return;
    }
    if (dump.step >= es_step_count(bench_model())) {
        command_error("there is no such step");
        return;
    }
    if (!command_may_run()) {
        return;
    }
    bench_run_rows(dump_row);
    command_line("m-es-dump-done");
}

/* Word `index`: how long each character of the host's answers is awaited. False, and said, where
 * that is no number, or no deadline. */
static bool answer_deadline(const words_t *words, uint32_t index, uint32_t *deadline_ms) {
    if (!command_number(words, index, DEFAULT_ANSWER_MS, deadline_ms)) {
        return false;
    }
    if (*deadline_ms == 0 || *deadline_ms == ES_PORT_FOREVER) {
        command_error("an answer needs a deadline");
        return false;
    }
    return true;
}

static void es_stream(const words_t *words) {
    uint32_t deadline_ms = 0;
    if (!answer_deadline(words, 2, &deadline_ms)) {
        return;
    }
    if (!stream_start(deadline_ms)) {
        command_error("this model takes no input by rows");
        return;
    }
    command_line("m-es-stream-on");
}

static void es_rows(const words_t *words) {
    (void)words;
    stream_stop();
    command_line("m-es-stream-off");
}

static bench_loop_setup_t loop_setup = {BENCH_LOOP_RING, ES_FULL_OLDEST, 0};

/* es loop set RING POLICY DEADLINE */
static void es_loop_set(const words_t *words) {
    static const char *const policies[] = {"oldest", "newest", "stop"};
    bench_loop_setup_t wanted = {0, ES_FULL_OLDEST, 0};
    uint32_t policy = 0;

    if (words->count != 6) {
        command_error("usage: es loop set RING oldest|newest|stop DEADLINE");
        return;
    }
    if (!command_number(words, 3, 0, &wanted.capacity) ||
        !command_number(words, 5, 0, &wanted.deadline)) {
        return;
    }
    while (policy < 3 && strcmp(words->at[4], policies[policy]) != 0) {
        policy++;
    }
    if (policy == 3 || wanted.capacity == 0 || wanted.capacity > BENCH_LOOP_RING) {
        command_error("a ring of 1 to 64 frames, and oldest, newest or stop");
        return;
    }
    wanted.when_full = (es_full_t)policy;
    loop_setup = wanted;
    command_line("m-es-loop-set");
}

/* es loop start FRAMES PERIOD SPREAD SEED */
static void es_loop_begin_replay(const words_t *words) {
    uint32_t frames = 0;
    generator_t generator = {0};

    if (words->count != 7) {
        command_error("usage: es loop start FRAMES PERIOD SPREAD SEED");
        return;
    }
    if (!command_number(words, 3, 0, &frames) || !command_number(words, 4, 0, &generator.period) ||
        !command_number(words, 5, 0, &generator.spread_permille) ||
        !command_number(words, 6, 0, &generator.state)) {
        return;
    }
    if (frames == 0 || generator.period == 0 || generator.state == 0 ||
        (generator.spread_permille > ARRIVALS_MOST_SPREAD &&
         generator.spread_permille != ARRIVALS_RANDOM)) {
        command_error("frames, period and seed are not 0, a spread is 0 to 500 or 1000");
        return;
    }
    if (!command_may_run()) {
        return;
    }
    arrivals_generate(&generator);
    bench_loop_start(&loop_setup, frames, arrivals_next);
    command_line("m-es-loop-started");
}

/* es loop trace FRAMES [MS]. The whole replay is one command: characters come only when they were
 * asked for, so none is lost while the model runs. */
static void es_loop_trace(const words_t *words) {
    uint32_t frames = 0, deadline_ms = 0;

    if (words->count > 5) {
        command_error("usage: es loop trace FRAMES [MS]");
        return;
    }
    if (!command_number(words, 3, 0, &frames) || !answer_deadline(words, 4, &deadline_ms)) {
        return;
    }
    if (frames == 0) {
        command_error("a trace has at least one frame");
        return;
    }
    if (!command_may_run()) {
        return;
    }
    trace_begin(frames, deadline_ms);
    bench_loop_start(&loop_setup, frames, trace_next);
    while (bench_loop_is_running()) {
        bench_loop_step();
    }
    if (trace_fault() != NULL) {
        command_error(trace_fault());
        return;
    }
    command_line("m-es-loop-traced");
}

static void es_loop_command(const words_t *words) {
    const char *what = words->count > 2 ? words->at[2] : "";

    if (strcmp(what, "set") == 0) {
        es_loop_set(words);
    } else if (strcmp(what, "start") == 0) {
        es_loop_begin_replay(words);
    } else if (strcmp(what, "trace") == 0) {
        es_loop_trace(words);
    } else if (strcmp(what, "stop") == 0) {
        bench_loop_stop();
        command_line("m-es-loop-stopped");
    } else if (strcmp(what, "stats") == 0) {
        bench_loop_say();
    } else {
        command_error("usage: es loop set, start, trace, stop or stats");
    }
}

const command_t bench_own_commands[] = {
    {"info", false, es_info},    {"memory", true, es_memory},     {"load", true, es_load},
    {"fill", true, es_fill},     {"reset", true, es_reset_state}, {"run", true, es_run_once},
    {"crc", true, es_crc},       {"prof", true, es_prof},         {"lap", true, es_lap},
    {"out", true, es_out},       {"dump", true, es_dump},         {"rows", true, es_rows},
    {"stream", true, es_stream}, {"loop", true, es_loop_command}, {NULL, false, NULL},
};
