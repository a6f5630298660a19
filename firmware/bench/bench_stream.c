/* Inputs that come row by row over the line while the model runs.
 *
 * The device says `m-es-row-INPUT-ROW`, the host answers with the row's bytes as HEX%. What does
 * not come in time, or is no row, ends the asking: the rest of the input is zero bytes, so that
 * the run ends at once and the error can be told. */
#include "bench_stream.h"

#include "bench_model.h"
#include "bench_text.h"

#include <stddef.h>

static struct {
    bool on;
    uint32_t deadline_ms;
    const char *fault;
} stream;

static bool ask(uint32_t input, uint32_t row, uint8_t *bytes, uint32_t count) {
    if (stream.fault == NULL) {
        text_put("m-es-row-");
        text_number(input);
        text_put("-");
        text_number(row);
        text_end();
        stream.fault = text_receive(bytes, count, stream.deadline_ms);
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
