/* Inputs that come row by row over the line while the model runs.
 *
 * The device says `m-es-row-INPUT-ROW`, the host answers with the row's bytes as HEX%. What does
 * not come in time, or is no row, ends the asking: the rest of the input is zero bytes, so that
 * the run ends at once and the error can be told. */
#include "bench_stream.h"

#include "bench_model.h"
#include "bench_text.h"
#include "es_port.h"

#include <stddef.h>

static struct {
    bool on;
    uint32_t deadline_ms;
    const char *fault;
} stream;

/* Puts digit `index` of a row where it belongs; null, or what is wrong with it. */
static const char *take_digit(char digit, uint32_t index, uint8_t *bytes, uint32_t count) {
    const char pair[] = {'0', digit};
    const int value = text_hex_byte(pair);

    if (index >= 2 * count) {
        return "a row is too long";
    }
    if (value < 0) {
        return "a bad hexadecimal digit in a row";
    }
    uint8_t *byte = &bytes[index / 2];
    *byte = (uint8_t)(index % 2 == 0 ? value << 4 : *byte | value);
    return NULL;
}

/* Everything up to the next %, also of a row that is wrong: the rest must not become a command. */
static const char *take_row(uint8_t *bytes, uint32_t count) {
    const char *fault = NULL;
    uint32_t digits = 0;

    for (;;) {
        const int c = es_port_read(stream.deadline_ms);
        if (c < 0) {
            return "a row did not come in time";
        }
        if (c == '%') {
            return fault == NULL && digits != 2 * count ? "a row is too short" : fault;
        }
        if (fault == NULL) {
            fault = take_digit((char)c, digits++, bytes, count);
        }
    }
}

static bool ask(uint32_t input, uint32_t row, uint8_t *bytes, uint32_t count) {
    if (stream.fault == NULL) {
        text_put("m-es-row-");
        text_number(input);
        text_put("-");
        text_number(row);
        text_end();
        es_port_flush();
        stream.fault = take_row(bytes, count);
    }
    return stream.fault == NULL;
}

bool stream_start(uint32_t deadline_ms) {
    if (bench_fed_count() == 0) {
        return false;
    }
    stream.on = true;
    stream.deadline_ms = deadline_ms;
    bench_feed_from(ask);
    return true;
}

void stream_stop(void) {
    stream.on = false;
    bench_feed_from(NULL);
}

bool stream_is_on(void) {
    return stream.on;
}

void stream_begin(void) {
    stream.fault = NULL;
}

const char *stream_fault(void) {
    return stream.fault;
}
