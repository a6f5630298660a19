/* The serial protocol of docs/FORMAT.md, the device's side. */
#include "bench_protocol.h"

#include "bench_config.h"
#include "bench_model.h"
#include "bench_stream.h"
#include "bench_text.h"
#include "es_port.h"
#include "es_table.h"

#include <string.h>

enum {
    PROTOCOL_VERSION = 1,
    MAX_WORDS = 6,
    BYTES_A_LINE = 64,
    DEFAULT_WARM_UPS = 10,
    DEFAULT_ROW_MS = 5000,
};

typedef struct words {
    uint32_t count;
    char *at[MAX_WORDS];
} words_t;

/* A command: the word that names it, and whether it needs a model that is ready. */
typedef struct command {
    const char *name;
    bool needs_model;
    void (*run)(const words_t *words);
} command_t;

static bench_memory_t memory;
static bool memory_measured;

static void error(const char *what) {
    text_put("e-[");
    text_put(what);
    text_put("]\r\n");
}

static void line(const char *what) {
    text_put(what);
    text_end();
}

/* Word `index` as a number, `absent` when it is not there; false (and said) when it is none. */
static bool number(const words_t *words, uint32_t index, uint32_t absent, uint32_t *value) {
    if (index >= words->count) {
        *value = absent;
        return true;
    }
    if (!text_parse(words->at[index], value)) {
        error("an argument is not a number");
        return false;
    }
    return true;
}

/* Base commands. */

static void say_name(const words_t *words) {
    (void)words;
    text_put("m-name-dut-[");
    text_escaped(BENCH_BOARD_NAME, 128);
    line("]");
}

static void say_timestamp(uint64_t microseconds) {
    text_put("m-lap-us-");
    text_number(microseconds);
    text_end();
}

static void timestamp(const words_t *words) {
    (void)words;
    say_timestamp(bench_microseconds());
}

static const char *model_name(void) {
    return bench_model_fault() == NULL ? es_name(bench_model()) : "none";
}

static void profile(const words_t *words) {
    (void)words;
    line("m-profile-[ULPMark for tinyML Firmware V0.0.1]");
    text_put("m-model-[");
    text_escaped(model_name(), 128);
    line("]");
}

static void help(const words_t *words) {
    (void)words;
    line("m-[name, timestamp, profile, help, results, infer N [W]]");
    line("m-[db load N, db HEX, db print [N] [OFFSET]]");
    line("m-[es info, es memory, es load N, es fill SEED, es reset, es run, es crc [STEP]]");
    line("m-[es prof, es lap N [W], es out [OFFSET] [N], es dump STEP ROW N]");
    line("m-[es stream [MS], es rows]");
}

static void expect(const words_t *words, uint32_t index, bool through_adapter) {
    uint32_t bytes = 0;
    if (!number(words, index, 0, &bytes)) {
        return;
    }
    if (!bench_load_begin(bytes, through_adapter)) {
        error("the number of bytes is 0 or more than the input has");
        return;
    }
    text_put("m-[Expecting ");
    text_number(bytes);
    line(" bytes]");
}

static void db_print(const words_t *words) {
    uint32_t total, count, offset;
    const uint8_t *data = bench_loaded(&total);
    if (!number(words, 3, 0, &offset) || !number(words, 2, UINT32_MAX, &count)) {
        return;
    }
    if (offset > total) {
        error("the offset lies behind the data");
        return;
    }
    count = count < total - offset ? count : total - offset;
    for (uint32_t i = 0; i < count; i++) {
        text_put(i % 8 == 0 ? "m-buffer" : "");
        text_put("-");
        text_hex(data[offset + i], 2);
        text_put(i % 8 == 7 || i + 1 == count ? "\r\n" : "");
    }
}

static void db_append(const char *hex) {
    const uint32_t digits = (uint32_t)strlen(hex);
    const char *full = bench_load_byte_room(digits / 2);

    if (digits % 2 != 0) {
        error("an odd number of digits");
        return;
    }
    for (uint32_t i = 0; i < digits; i += 2) {
        if (text_hex_byte(hex + i) < 0) {
            error("a bad hexadecimal digit");
            return;
        }
    }
    if (full != NULL) {
        error(full);
        return;
    }
    for (uint32_t i = 0; i < digits; i += 2) {
        if (bench_load_byte((uint8_t)text_hex_byte(hex + i))) {
            line("m-load-done");
        }
    }
}

static void db(const words_t *words) {
    if (words->count == 3 && strcmp(words->at[1], "load") == 0) {
        expect(words, 2, true);
    } else if (words->count >= 2 && words->count <= 4 && strcmp(words->at[1], "print") == 0) {
        db_print(words);
    } else if (words->count == 2) {
        db_append(words->at[1]);
    } else {
        error("usage: db load N, db HEX or db print [N] [OFFSET]");
    }
}

/* Element `k` of an output as a real number; what has no scale is shown as it is. */
static float real_output(const es_port_info_t *info, const uint8_t *data, uint32_t k) {
    float real = 0;
    int32_t q = 0;

    switch (info->dtype) {
    case ES_FLOAT32:
        memcpy(&real, data + 4 * k, sizeof real);
        return real;
    case ES_INT8:
        q = (int8_t)data[k];
        break;
    case ES_UINT8:
    case ES_BOOL:
        q = data[k];
        break;
    case ES_INT16: {
        int16_t narrow;
        memcpy(&narrow, data + 2 * k, sizeof narrow);
        q = narrow;
        break;
    }
    case ES_INT32:
        memcpy(&q, data + 4 * k, sizeof q);
        break;
    case ES_INT64:
        memcpy(&q, data + 8 * k, sizeof q); /* the low word: indices and counts */
        break;
    }
    const float scale = info->scale != 0 ? info->scale : 1;
    return scale * (float)(q - (info->scale != 0 ? info->zero_point : 0));
}

static void say_results(void) {
    text_put("m-results-[");
    for (uint32_t i = 0; i < es_output_count(bench_model()); i++) {
        const es_port_info_t info = es_output_info(bench_model(), i);
        for (uint32_t k = 0; k < info.elements; k++) {
            text_put(i + k > 0 ? "," : "");
            text_milli(real_output(&info, es_output(bench_model(), i), k));
        }
    }
    line("]");
}

static void results(const words_t *words) {
    (void)words;
    if (!bench_has_run()) {
        error("nothing has run yet");
        return;
    }
    say_results();
}

static void say_count(const char *what, uint32_t count) {
    text_put(what);
    text_number(count);
    text_end();
}

/* Of the pristine copy: it tells an input that was damaged on the line from a wrong result. */
static void say_input_crc(void) {
    text_put("m-es-input-crc-");
    text_hex(bench_input_crc(), 8);
    text_end();
}

static void say_output_crc(void) {
    text_put("m-es-output-crc-");
    text_hex(bench_output_crc(), 8);
    text_end();
}

/* Runs the warm-ups; the CRC that every later lap must have goes to *crc. */
static void warm_up(uint32_t count, uint32_t *crc) {
    say_count("m-warmup-start-", count);
    for (uint32_t i = 0; i < count; i++) {
        (void)bench_run(crc);
    }
    line("m-warmup-done");
}

/* `count` measured inferences; the sum of their units. The output must be the same every time,
 * unless the model keeps state. */
static uint64_t measured(uint32_t count, uint32_t warm_ups, uint32_t expected, bool each) {
    uint64_t sum = 0;
    uint32_t differing = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t crc;
        const uint64_t units = bench_run(&crc);
        sum += units;
        if (i == 0 && warm_ups == 0) {
            expected = crc;
        }
        differing += crc != expected && !bench_is_stateful();
        if (each) {
            text_put("m-es-lap-");
            text_number(i);
            text_put("-");
            text_number(units);
            text_end();
        }
    }
    if (differing > 0) {
        error("the output differs between inferences on the same input");
    }
    return sum;
}

/* False, and said, where a run from the loaded input cannot be. */
static bool may_run(void) {
    if (stream_is_on()) {
        error("the input comes row by row over the line: es rows ends that");
        return false;
    }
    if (bench_input_fault() != NULL) {
        error(bench_input_fault());
        return false;
    }
    return true;
}

static void infer_or_lap(const words_t *words, uint32_t first, bool each) {
    uint32_t count = 0, warm_ups = 0, crc = 0;

    if (!number(words, first, 0, &count) ||
        !number(words, first + 1, DEFAULT_WARM_UPS, &warm_ups)) {
        return;
    }
    if (count == 0) {
        error("the number of inferences must be at least 1");
        return;
    }
    if (!may_run()) {
        return;
    }
    warm_up(warm_ups, &crc);
    say_count("m-infer-start-", count);
    const uint64_t begin = bench_microseconds();
    if (!each) {
        say_timestamp(begin);
    }
    const uint64_t units = measured(count, warm_ups, crc, each);
    if (!each) {
        /* Copying the input and checking the output are not inference: only its time is added. */
        say_timestamp(begin + bench_units_as_microseconds(units));
    }
    line("m-infer-done");
    if (each) {
        say_input_crc();
    } else {
        say_results();
    }
    say_output_crc();
}

static void infer(const words_t *words) {
    infer_or_lap(words, 1, false);
}

/* Our own commands. */

static void es_lap(const words_t *words) {
    infer_or_lap(words, 2, true);
}

static void say_banks(void) {
    for (uint32_t i = 0; bench_bank_count() > 1 && i < bench_bank_count(); i++) {
        text_put("m-es-bank-");
        text_number(i);
        text_put("-[");
        text_put(bench_bank_name(i));
        text_put(" ");
        text_number(es_bank_bytes(bench_model(), i));
        line("]");
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
    line("]");
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
    line("]");
    text_fact("model", model_name());
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
        say_output_crc();
    }
}

static void es_memory(const words_t *words) {
    (void)words;
    if (!may_run()) {
        return;
    }
    memory = bench_measure_memory();
    memory_measured = true;
    say_memory();
}

static void es_load(const words_t *words) {
    expect(words, 2, false);
}

static void es_fill(const words_t *words) {
    uint32_t seed = 0;
    if (!number(words, 2, 0, &seed)) {
        return;
    }
    if (seed == 0) {
        error("the seed must not be 0");
        return;
    }
    bench_fill(seed);
    line("m-es-fill-done");
}

static void es_reset_state(const words_t *words) {
    (void)words;
    bench_reset_state();
    line("m-es-reset-done");
}

static void es_run_once(const words_t *words) {
    uint32_t crc;
    (void)words;
    if (bench_input_fault() != NULL) {
        error(bench_input_fault());
        return;
    }
    stream_begin();
    (void)bench_run_observed(&crc);
    if (stream_fault() != NULL) {
        error(stream_fault());
        return;
    }
    line("m-es-run-done");
    say_input_crc();
    say_output_crc();
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
        error("es run comes first");
        return;
    }
    if (words->count == 2) {
        for (uint32_t i = 0; i < es_step_count(bench_model()); i++) {
            say_crc(i);
        }
        return;
    }
    if (!number(words, 2, 0, &step)) {
        return;
    }
    if (step >= es_step_count(bench_model())) {
        error("there is no such step");
        return;
    }
    say_crc(step);
}

static void es_prof(const words_t *words) {
    static const char *const names[] = BENCH_KERNEL_NAMES;
    (void)words;
    if (!bench_has_steps()) {
        error("es run comes first");
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
    if (!number(words, 2, 0, &offset) || !number(words, 3, UINT32_MAX, &count)) {
        return;
    }
    if (!bench_has_run()) {
        error("nothing has run yet");
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
        error("usage: es dump STEP ROW N");
        return;
    }
    if (!number(words, 2, 0, &dump.step) || !number(words, 3, 0, &dump.row0) ||
        !number(words, 4, 0, &dump.rows)) {
        return;
    }
    if (dump.step >= es_step_count(bench_model())) {
        error("there is no such step");
        return;
    }
    if (!may_run()) {
        return;
    }
    bench_run_rows(dump_row);
    line("m-es-dump-done");
}

static void es_stream(const words_t *words) {
    uint32_t deadline_ms = 0;
    if (!number(words, 2, DEFAULT_ROW_MS, &deadline_ms)) {
        return;
    }
    if (deadline_ms == 0 || deadline_ms == ES_PORT_FOREVER) {
        error("a row needs a deadline");
        return;
    }
    if (!stream_start(deadline_ms)) {
        error("this model takes no input by rows");
        return;
    }
    line("m-es-stream-on");
}

static void es_rows(const words_t *words) {
    (void)words;
    stream_stop();
    line("m-es-stream-off");
}

static void es_unsupported(const words_t *words) {
    (void)words;
    error("not supported by this image");
}

/* Dispatch. */

static const command_t own_commands[] = {
    {"info", false, es_info},    {"memory", true, es_memory},     {"load", true, es_load},
    {"fill", true, es_fill},     {"reset", true, es_reset_state}, {"run", true, es_run_once},
    {"crc", true, es_crc},       {"prof", true, es_prof},         {"lap", true, es_lap},
    {"out", true, es_out},       {"dump", true, es_dump},         {"rows", true, es_rows},
    {"stream", true, es_stream}, {"loop", false, es_unsupported}, {NULL, false, NULL},
};

static void dispatch(const command_t *commands, const words_t *words, uint32_t index);

static void es(const words_t *words) {
    dispatch(own_commands, words, 1);
}

static const command_t base_commands[] = {
    {"name", false, say_name},
    {"timestamp", false, timestamp},
    {"profile", false, profile},
    {"help", false, help},
    {"db", true, db},
    {"infer", true, infer},
    {"results", true, results},
    {"es", false, es},
    {NULL, false, NULL},
};

static void dispatch(const command_t *commands, const words_t *words, uint32_t index) {
    const char *name = index < words->count ? words->at[index] : "";

    for (; commands->name != NULL; commands++) {
        if (strcmp(commands->name, name) != 0) {
            continue;
        }
        if (commands->needs_model && bench_model_fault() != NULL) {
            text_put("e-[no model: ");
            text_put(bench_model_fault());
            line("]");
            return;
        }
        commands->run(words);
        return;
    }
    text_put("e-[Unknown command: ");
    text_escaped(name, 20);
    line("]");
}

static bool split(char *text, words_t *words) {
    words->count = 0;
    while (*text != '\0') {
        while (*text == ' ') {
            *text++ = '\0';
        }
        if (*text == '\0') {
            break;
        }
        if (words->count == MAX_WORDS) {
            return false;
        }
        words->at[words->count++] = text;
        while (*text != '\0' && *text != ' ') {
            text++;
        }
    }
    return true;
}

static void execute(char *text) {
    words_t words;
    if (!split(text, &words)) {
        error("too many words in a command");
    } else if (words.count > 0) {
        dispatch(base_commands, &words, 0);
    }
}

static struct {
    char text[BENCH_COMMAND_BYTES];
    uint32_t length;
    bool too_long, bad_character;
} command;

static void take(char c) {
    if (command.length == 0 && (c == '\r' || c == '\n')) {
        return;
    }
    if (c < 0x20 || c > 0x7E) {
        command.bad_character = true;
    }
    if (command.length + 1 < sizeof command.text) {
        command.text[command.length++] = c;
    } else {
        command.too_long = true;
    }
}

/* Ends the answer to an `es` command, so that the host can tell when the line has damaged it. */
static void say_check(void) {
    const uint32_t crc = text_crc();
    text_put("m-es-check-");
    text_hex(crc, 8);
    text_end();
}

static void finish(void) {
    command.text[command.length] = '\0';
    const bool own = strncmp(command.text, "es ", 3) == 0;
    text_crc_begin(command.text);
    if (command.too_long) {
        error("the command is too long");
    } else if (command.bad_character) {
        error("a character that no command has");
    } else {
        execute(command.text);
    }
    if (own) {
        say_check();
    }
    memset(&command, 0, sizeof command);
    line("m-ready");
    es_port_flush();
}

void bench_protocol_run(void) {
    line("m-init-done");
    line("m-ready");
    es_port_flush();
    for (;;) {
        const int c = es_port_read(ES_PORT_FOREVER);
        if (c == ES_PORT_CLOSED) {
            return;
        }
        if (c == '%') {
            finish();
        } else if (c >= 0) {
            take((char)c);
        }
    }
}
