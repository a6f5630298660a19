/* The model between commands: its input, its runs, and what several commands say of them. */
#include "session.h"

#include "bench_command.h"
#include "bench_loop.h"
#include "bench_model.h"
#include "bench_text.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_WARM_UPS = 10 };

const harness_t *harness;
static uint8_t *output;
static size_t awaited, received;
static bool has_run;

void session_start(const harness_t *given) {
    harness = given;
    output = calloc(1, given->model->output_bytes > 0 ? given->model->output_bytes : 1);
    awaited = received = given->model->input_bytes; /* zeros are there */
}

void session_fill_done(void) {
    awaited = received = harness->model->input_bytes;
}

bool session_has_run(void) {
    return has_run;
}

const uint8_t *session_output(void) {
    return output;
}

uint64_t session_microseconds(void) {
    return now_ns() / 1000;
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

bool session_number(const words_t *words, uint32_t index, uint32_t absent, uint32_t *value) {
    *value = absent;
    if (index < words->count && !text_parse(words->at[index], value)) {
        command_error("an argument is not a number");
        return false;
    }
    return true;
}

void session_say_number(const char *what, uint64_t value) {
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

void session_say_crc(const char *what, const uint8_t *bytes, size_t count) {
    text_put(what);
    text_hex(crc32_of(bytes, count), 8);
    text_end();
}

void session_say_input_crc(void) {
    session_say_crc("m-es-input-crc-", harness->model->input, harness->model->input_bytes);
}

void session_say_output_crc(void) {
    session_say_crc("m-es-output-crc-", output, harness->model->output_bytes);
}

/* One inference whose output is kept; false, and said, where LiteRT fails. */
bool session_run(uint64_t *ns) {
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

bool session_may_run(void) {
    if (received < harness->model->input_bytes) {
        command_error("the input is not complete");
        return false;
    }
    return true;
}

const char *session_model_name(void) {
    const char *slash = strrchr(harness->wish->path, '/');
    return slash != NULL ? slash + 1 : harness->wish->path;
}

void session_expect(const words_t *words, uint32_t index) {
    uint32_t bytes;
    if (!session_number(words, index, 0, &bytes)) {
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

void session_append(const char *hex) {
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

size_t session_element_bytes(int element) {
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

void session_say_results(void) {
    const uint8_t *data = output;
    bool first = true;
    text_put("m-results-[");
    for (size_t i = 0; i < harness->model->output_count; i++) {
        const port_t *port = &harness->model->outputs[i];
        for (size_t k = 0; k < port->bytes / session_element_bytes(port->type.element); k++) {
            text_put(first ? "" : ",");
            text_milli(real_value(port, data, k));
            first = false;
        }
        data += port->bytes;
    }
    command_line("]");
}

static bool warm_up(uint32_t count) {
    uint64_t ns;
    session_say_number("m-warmup-start-", count);
    for (uint32_t i = 0; i < count; i++) {
        if (!session_run(&ns)) {
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
        if (!session_run(&ns)) {
            return false;
        }
        const uint32_t crc = crc32_of(output, harness->model->output_bytes);
        first = i == 0 ? crc : first;
        differing = differing || crc != first;
        *sum += ns;
        if (each) {
            text_put("m-es-lap-");
            text_number(i);
            session_say_number("-", ns);
        }
    }
    if (differing) {
        command_error("the output differs between inferences on the same input");
    }
    return !differing;
}

void session_infer(const words_t *words, uint32_t index, bool each) {
    uint32_t count, warm_ups;
    uint64_t sum = 0;
    if (!session_number(words, index, 0, &count) ||
        !session_number(words, index + 1, DEFAULT_WARM_UPS, &warm_ups)) {
        return;
    }
    if (count == 0) {
        command_error("the number of inferences must be at least 1");
        return;
    }
    if (!session_may_run() || !warm_up(warm_ups)) {
        return;
    }
    session_say_number("m-infer-start-", count);
    const uint64_t begin = session_microseconds();
    if (!each) {
        session_say_number("m-lap-us-", begin);
    }
    if (!measured(count, each, &sum)) {
        return;
    }
    if (!each) {
        session_say_number("m-lap-us-", begin + sum / 1000);
    }
    command_line("m-infer-done");
    if (each) {
        session_say_input_crc();
    } else {
        session_say_results();
    }
    session_say_output_crc();
}
