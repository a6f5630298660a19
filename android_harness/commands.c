/* The commands of docs/FORMAT.md that make sense on a phone, and those that only a phone has. */
#include "bench_command.h"
#include "bench_loop.h"
#include "bench_model.h"
#include "bench_text.h"
#include "es_port.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { DEFAULT_WARM_UPS = 10, LINE_BYTES = 64, PROTOCOL_VERSION = 1 };

static const harness_t *harness;
static uint8_t *output;
static size_t awaited, received;
static bool has_run;

void commands_start(const harness_t *given) {
    harness = given;
    output = calloc(1, given->model->output_bytes > 0 ? given->model->output_bytes : 1);
    awaited = received = given->model->input_bytes; /* zeros are there */
}

/* The shared protocol code asks for it; a model that cannot run ends the process before. */
const char *bench_model_fault(void) {
    return output != NULL ? NULL : "no memory";
}

/* A board's sensor loop goes on between commands; a phone has none. */
bool bench_loop_is_running(void) {
    return false;
}

void bench_loop_step(void) {}

void command_error(const char *what) {
    text_put("e-[");
    text_put(what);
    text_put("]\r\n");
}

void command_line(const char *what) {
    text_put(what);
    text_end();
}

static bool number(const words_t *words, uint32_t index, uint32_t absent, uint32_t *value) {
    *value = absent;
    if (index < words->count && !text_parse(words->at[index], value)) {
        command_error("an argument is not a number");
        return false;
    }
    return true;
}

static void say_number(const char *what, uint64_t value) {
    text_put(what);
    text_number(value);
    text_end();
}

/* CRC-32 as zlib has it. */
static uint32_t crc32_of(const uint8_t *bytes, size_t count) {
    static uint32_t table[256];
    if (table[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++) {
                value = value >> 1 ^ ((value & 1) != 0 ? 0xEDB88320u : 0);
            }
            table[i] = value;
        }
    }
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < count; i++) {
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
    }
    return ~crc;
}

static void say_crc(const char *what, const uint8_t *bytes, size_t count) {
    text_put(what);
    text_hex(crc32_of(bytes, count), 8);
    text_end();
}

static void say_input_crc(void) {
    say_crc("m-es-input-crc-", harness->model->input, harness->model->input_bytes);
}

static void say_output_crc(void) {
    say_crc("m-es-output-crc-", output, harness->model->output_bytes);
}

/* One inference whose output is kept; false, and said, where LiteRT fails. */
static bool run(uint64_t *ns) {
    const int status = model_run(harness->model, ns);
    if (status != LITERT_OK || !model_output(harness->model, output)) {
        text_put("e-[LiteRT fails with error ");
        text_number((uint64_t)status);
        command_line("]");
        return false;
    }
    has_run = true;
    return true;
}

static bool may_run(void) {
    if (received < harness->model->input_bytes) {
        command_error("the input is not complete");
        return false;
    }
    return true;
}

/* Base commands. */

static void name(const words_t *words) {
    (void)words;
    command_line("m-name-dut-[edgeserve phone harness]");
}

static uint64_t microseconds(void) {
    return now_ns() / 1000;
}

static void timestamp(const words_t *words) {
    (void)words;
    say_number("m-lap-us-", microseconds());
}

static const char *model_name(void) {
    const char *slash = strrchr(harness->wish->path, '/');
    return slash != NULL ? slash + 1 : harness->wish->path;
}

static void profile(const words_t *words) {
    (void)words;
    command_line("m-profile-[ULPMark for tinyML Firmware V0.0.1]");
    text_put("m-model-[");
    text_escaped(model_name(), 128);
    command_line("]");
}

static void help(const words_t *words) {
    (void)words;
    command_line("m-[name, timestamp, profile, help, results, infer N [W], db load N, db HEX]");
    command_line("m-[es info, es load N, es fill SEED, es run, es lap N [W], es out, es prof]");
    command_line("m-[es sustain MS [PERIOD_US]]");
}

static void expect(const words_t *words, uint32_t index) {
    uint32_t bytes;
    if (!number(words, index, 0, &bytes)) {
        return;
    }
    if (bytes == 0 || bytes != harness->model->input_bytes) {
        command_error("the number of bytes is not that of the input");
        return;
    }
    awaited = bytes;
    received = 0;
    text_put("m-[Expecting ");
    text_number(bytes);
    command_line(" bytes]");
}

static void append(const char *hex) {
    const size_t digits = strlen(hex);
    if (digits % 2 != 0 || digits / 2 > awaited - received) {
        command_error(digits % 2 != 0 ? "an odd number of digits" : "more bytes than awaited");
        return;
    }
    for (size_t i = 0; i < digits; i += 2) {
        if (text_hex_byte(hex + i) < 0) {
            command_error("a bad hexadecimal digit");
            return;
        }
    }
    for (size_t i = 0; i < digits; i += 2) {
        harness->model->input[received++] = (uint8_t)text_hex_byte(hex + i);
    }
    if (received == awaited) {
        awaited = received = harness->model->input_bytes;
        command_line("m-load-done");
    }
}

static void db(const words_t *words) {
    if (words->count == 3 && strcmp(words->at[1], "load") == 0) {
        expect(words, 2);
    } else if (words->count == 2) {
        append(words->at[1]);
    } else {
        command_error("usage: db load N or db HEX");
    }
}

/* Element `k` of an output as a real number; what has no scale is shown as it is. */
static float real_value(const port_t *port, const uint8_t *data, size_t k) {
    float real = 0;
    int64_t q = 0;

    switch (port->type.element) {
    case LITERT_FLOAT32:
        memcpy(&real, data + 4 * k, sizeof real);
        return real;
    case LITERT_INT8:
        q = (int8_t)data[k];
        break;
    case LITERT_INT16: {
        int16_t narrow;
        memcpy(&narrow, data + 2 * k, sizeof narrow);
        q = narrow;
        break;
    }
    case LITERT_INT32: {
        int32_t word;
        memcpy(&word, data + 4 * k, sizeof word);
        q = word;
        break;
    }
    case LITERT_INT64:
        memcpy(&q, data + 8 * k, sizeof q);
        break;
    default:
        q = data[k];
    }
    const float scale = port->quantization.scale;
    return scale != 0 ? scale * (float)(q - port->quantization.zero_point) : (float)q;
}

static size_t element_bytes(int element) {
    switch (element) {
    case LITERT_FLOAT32:
    case LITERT_INT32:
        return 4;
    case LITERT_INT64:
        return 8;
    case LITERT_INT16:
    case LITERT_FLOAT16:
        return 2;
    default:
        return 1;
    }
}

static void say_results(void) {
    const uint8_t *data = output;
    bool first = true;
    text_put("m-results-[");
    for (size_t i = 0; i < harness->model->output_count; i++) {
        const port_t *port = &harness->model->outputs[i];
        for (size_t k = 0; k < port->bytes / element_bytes(port->type.element); k++) {
            text_put(first ? "" : ",");
            text_milli(real_value(port, data, k));
            first = false;
        }
        data += port->bytes;
    }
    command_line("]");
}

static void results(const words_t *words) {
    (void)words;
    if (has_run) {
        say_results();
    } else {
        command_error("nothing has run yet");
    }
}

static bool warm_up(uint32_t count) {
    uint64_t ns;
    say_number("m-warmup-start-", count);
    for (uint32_t i = 0; i < count; i++) {
        if (!run(&ns)) {
            return false;
        }
    }
    command_line("m-warmup-done");
    return true;
}

/* `count` inferences on the same input: their time together, and each told where asked for. */
static bool measured(uint32_t count, bool each, uint64_t *sum) {
    uint32_t first = 0;
    bool differing = false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t ns;
        if (!run(&ns)) {
            return false;
        }
        const uint32_t crc = crc32_of(output, harness->model->output_bytes);
        first = i == 0 ? crc : first;
        differing = differing || crc != first;
        *sum += ns;
        if (each) {
            text_put("m-es-lap-");
            text_number(i);
            say_number("-", ns);
        }
    }
    if (differing) {
        command_error("the output differs between inferences on the same input");
    }
    return !differing;
}

static void infer_each(const words_t *words, uint32_t index, bool each) {
    uint32_t count, warm_ups;
    uint64_t sum = 0;
    if (!number(words, index, 0, &count) ||
        !number(words, index + 1, DEFAULT_WARM_UPS, &warm_ups)) {
        return;
    }
    if (count == 0) {
        command_error("the number of inferences must be at least 1");
        return;
    }
    if (!may_run() || !warm_up(warm_ups)) {
        return;
    }
    say_number("m-infer-start-", count);
    const uint64_t begin = microseconds();
    if (!each) {
        say_number("m-lap-us-", begin);
    }
    if (!measured(count, each, &sum)) {
        return;
    }
    if (!each) {
        say_number("m-lap-us-", begin + sum / 1000);
    }
    command_line("m-infer-done");
    if (each) {
        say_input_crc();
    } else {
        say_results();
    }
    say_output_crc();
}

static void infer(const words_t *words) {
    infer_each(words, 1, false);
}

const command_t bench_base_commands[] = {
    {"name", false, name},
    {"timestamp", false, timestamp},
    {"profile", false, profile},
    {"help", false, help},
    {"db", true, db},
    {"infer", true, infer},
    {"results", true, results},
    {NULL, false, NULL},
};

/* Our own commands. */

static const char *const accelerator_names[] = {
    [ON_CPU] = "cpu", [ON_GPU] = "gpu", [ON_NPU] = "npu"};

static const char abi[] =
#if defined(__aarch64__)
    "arm64-v8a";
#elif defined(__x86_64__)
    "x86_64";
#elif defined(__arm__)
    "armeabi-v7a";
#else
#error "an ABI that no phone has"
#endif

static void info(const words_t *words) {
    (void)words;
    const model_t *model = harness->model;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    text_fact_number("protocol", PROTOCOL_VERSION);
    text_fact("model", model_name());
    text_fact("abi", abi);
    text_fact("asked", accelerator_names[harness->wish->accelerator]);
    text_fact("fully-accelerated", model->fully_accelerated ? "yes" : "no");
    text_fact_number("threads", (uint64_t)harness->wish->threads);
    text_fact_number("inputs", model->input_count);
    text_fact_number("outputs", model->output_count);
    text_fact_number("input-bytes", model->input_bytes);
    text_fact_number("output-bytes", model->output_bytes);
    text_fact_number("cold-process", harness->process_ns);
    text_fact_number("cold-library", model->cold.library_ns);
    text_fact_number("cold-load", model->cold.load_ns);
    text_fact_number("cold-compile", model->cold.compile_ns);
    text_fact_number("cold-first", model->cold.first_ns);
    text_fact_number("peak-bytes", (uint64_t)usage.ru_maxrss * 1024);
    text_fact("time-source", "CLOCK_MONOTONIC");
    text_fact("unit", "ns");
    text_fact_number("command-bytes", 4096);
}

static void load(const words_t *words) {
    expect(words, 2);
}

/* Elements of xorshift32's low bytes, one draw each, as on every other device. */
static void fill(const words_t *words) {
    uint32_t x;
    if (!number(words, 2, 0, &x)) {
        return;
    }
    if (x == 0) {
        command_error("the seed must not be 0");
        return;
    }
    uint8_t *data = harness->model->input;
    for (size_t i = 0; i < harness->model->input_count; i++) {
        const port_t *port = &harness->model->inputs[i];
        const size_t step = element_bytes(port->type.element);
        for (size_t k = 0; k < port->bytes / step; k++) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            const int8_t low = (int8_t)(uint8_t)x;
            const int64_t wide = low;
            const float real = (float)low / 128;
            memcpy(data, port->type.element == LITERT_FLOAT32 ? (const void *)&real : &wide, step);
            data += step;
        }
    }
    awaited = received = harness->model->input_bytes;
    command_line("m-es-fill-done");
}

static void run_once(const words_t *words) {
    (void)words;
    uint64_t ns;
    if (may_run() && run(&ns)) {
        command_line("m-es-run-done");
        say_input_crc();
        say_output_crc();
    }
}

static void lap(const words_t *words) {
    infer_each(words, 2, true);
}

static void out(const words_t *words) {
    (void)words;
    const size_t bytes = harness->model->output_bytes;
    for (size_t at = 0; at < bytes; at += LINE_BYTES) {
        text_put("m-es-out-");
        text_number(at);
        text_put("-");
        text_hex_bytes(output + at, (uint32_t)(bytes - at < LINE_BYTES ? bytes - at : LINE_BYTES));
        text_end();
    }
}

/* One inference with LiteRT's own per-operator times, as LiteRT words them. */
static void operators(const words_t *words) {
    (void)words;
    const model_t *model = harness->model;
    const char *summary = NULL;
    uint64_t ns;
    if (model->profiler == NULL) {
        command_error("start the harness with --profile");
        return;
    }
    if (!may_run() || model->litert.start_profiler(model->profiler) != LITERT_OK || !run(&ns)) {
        return;
    }
    if (model->litert.stop_profiler(model->profiler) != LITERT_OK ||
        model->litert.profile_summary(model->profiler, model->compiled, &summary) != LITERT_OK) {
        command_error("LiteRT has no profile of this model");
    } else {
        char *line = (char *)summary, *end;
        for (; *line != '\0'; line = end + (*end != '\0')) {
            end = line + strcspn(line, "\n");
            const char kept = *end;
            *end = '\0';
            text_put("m-es-prof-[");
            text_escaped(line, 400);
            command_line("]");
            *end = kept;
        }
    }
    free((void *)summary);
}

static void sleep_until(uint64_t ns) {
    const struct timespec when = {.tv_sec = (time_t)(ns / 1000000000u),
                                  .tv_nsec = (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0) {
    }
}

/* Inferences for so long, one begun at each multiple of the period, or one behind the other where
 * there is none: a period that is over when an inference ends is skipped. Each is told at once. */
static void sustain(const words_t *words) {
    uint32_t ms, period_us;
    if (!number(words, 2, 0, &ms) || !number(words, 3, 0, &period_us) || !may_run()) {
        return;
    }
    const uint64_t begin = now_ns(), end = begin + (uint64_t)ms * 1000000u;
    const uint64_t period = (uint64_t)period_us * 1000u;
    uint64_t slot = 0, count = 0;
    while (now_ns() < end) {
        uint64_t ns;
        if (!run(&ns)) {
            return;
        }
        text_put("m-es-at-");
        text_number(slot);
        text_put("-");
        text_number(now_ns() - begin);
        say_number("-", ns);
        es_port_flush();
        count++;
        if (period > 0) {
            slot = (now_ns() - begin) / period + 1;
            sleep_until(begin + slot * period);
        } else {
            slot++;
        }
    }
    say_number("m-es-sustain-done-", count);
    say_input_crc();
    say_output_crc();
}

const command_t bench_own_commands[] = {
    {"info", false, info},     {"load", true, load},       {"fill", true, fill},
    {"run", true, run_once},   {"lap", true, lap},         {"out", true, out},
    {"prof", true, operators}, {"sustain", true, sustain}, {NULL, false, NULL},
};
