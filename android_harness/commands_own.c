/* Our own commands, and those that only a phone has. */
#include "bench_command.h"
#include "bench_text.h"
#include "commands_pipeline.h"
#include "es_port.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { LINE_BYTES = 64, PROTOCOL_VERSION = 1, MOST_STREAMS = 64 };

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
    text_fact("model", session_model_name());
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
    pipeline_say_facts();
}

static void load(const words_t *words) {
    session_expect(words, 2);
}

/* Elements of xorshift32's low bytes, one draw each, as on every other device. */
static void fill(const words_t *words) {
    uint32_t x;
    if (!session_number(words, 2, 0, &x)) {
        return;
    }
    if (x == 0) {
        command_error("the seed must not be 0");
        return;
    }
    uint8_t *data = harness->model->input;
    for (size_t i = 0; i < harness->model->input_count; i++) {
        const port_t *port = &harness->model->inputs[i];
        const size_t step = session_element_bytes(port->type.element);
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
    session_fill_done();
    command_line("m-es-fill-done");
}

static void run_once(const words_t *words) {
    (void)words;
    uint64_t ns;
    if (session_may_run() && session_run(&ns)) {
        command_line("m-es-run-done");
        session_say_input_crc();
        session_say_output_crc();
    }
}

static void lap(const words_t *words) {
    session_infer(words, 2, true);
}

static void out(const words_t *words) {
    (void)words;
    const size_t bytes = harness->model->output_bytes;
    for (size_t at = 0; at < bytes; at += LINE_BYTES) {
        text_put("m-es-out-");
        text_number(at);
        text_put("-");
        text_hex_bytes(session_output() + at,
                       (uint32_t)(bytes - at < LINE_BYTES ? bytes - at : LINE_BYTES));
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
    if (!session_may_run() || model->litert.start_profiler(model->profiler) != LITERT_OK ||
        !session_run(&ns)) {
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

typedef struct sample {
    uint64_t end_ns, ns; /* since the run's start, and of the inference alone */
} sample_t;

static void say_sample(uint64_t slot, const sample_t *sample) {
    text_put("m-es-at-");
    text_number(slot);
    text_put("-");
    text_number(sample->end_ns);
    session_say_number("-", sample->ns);
}

/* A set: an inference for each of several sensors, one behind the other. What it says comes behind
 * the last, so that no line is written while a set runs. */
static bool run_set(uint64_t slot, uint64_t begin, uint32_t streams) {
    static sample_t samples[MOST_STREAMS];
    const uint64_t first = now_ns();
    for (uint32_t i = 0; i < streams; i++) {
        if (!session_run(&samples[i].ns)) {
            return false;
        }
        samples[i].end_ns = now_ns() - begin;
    }
    for (uint32_t i = 0; i < streams; i++) {
        say_sample(slot, &samples[i]);
    }
    text_put("m-es-set-");
    text_number(slot);
    text_put("-");
    text_number(first - begin);
    session_say_number("-", samples[streams - 1].end_ns);
    return true;
}

static bool run_one(uint64_t slot, uint64_t begin) {
    sample_t sample;
    if (!session_run(&sample.ns)) {
        return false;
    }
    sample.end_ns = now_ns() - begin;
    say_sample(slot, &sample);
    return true;
}

/* Inferences for so long, one begun at each multiple of the period, or one behind the other where
 * there is none: a period that is over when an inference ends is skipped. Each is told at once.
 * With streams it is a set of inferences instead of one. */
static void sustain(const words_t *words) {
    uint32_t ms, period_us, streams;
    if (!session_number(words, 2, 0, &ms) || !session_number(words, 3, 0, &period_us) ||
        !session_number(words, 4, 0, &streams) || !session_may_run()) {
        return;
    }
    if (streams > MOST_STREAMS) {
        command_error("too many streams");
        return;
    }
    const uint64_t begin = now_ns(), end = begin + (uint64_t)ms * 1000000u;
    const uint64_t period = (uint64_t)period_us * 1000u;
    uint64_t slot = 0, count = 0;
    while (now_ns() < end) {
        if (streams > 0 ? !run_set(slot, begin, streams) : !run_one(slot, begin)) {
            return;
        }
        es_port_flush();
        count += streams > 0 ? streams : 1;
        if (period > 0) {
            slot = (now_ns() - begin) / period + 1;
            sleep_until(begin + slot * period);
        } else {
            slot++;
        }
    }
    session_say_number("m-es-sustain-done-", count);
    session_say_input_crc();
    session_say_output_crc();
}

const command_t bench_own_commands[] = {
    {"info", false, info},
    {"load", true, load},
    {"fill", true, fill},
    {"run", true, run_once},
    {"lap", true, lap},
    {"out", true, out},
    {"prof", true, operators},
    {"sustain", true, sustain},
    {"pipeline", true, pipeline_command},
    {"frame", true, frame_command},
    {NULL, false, NULL},
};
