/* Arrivals of a recorded trace, block by block over the line while the loop replays them.
 *
 * The device says `m-es-arrivals-FIRST-COUNT` when it has no further arrival, the host answers with
 * that block as HEX%. The clock of a replay is virtual, so that waiting for the line costs nothing,
 * and one block of memory serves a trace of any length. A block that does not come in time, or is
 * not the one that was asked for, undamaged and in order, ends the trace: nothing of it is used. */
#include "bench_trace.h"

#include "bench_model.h"
#include "bench_text.h"

#include <stddef.h>
#include <string.h>

/* A block, little-endian: FIRST, COUNT arrivals, the CRC-32 of both. */
enum {
    MOST_ARRIVALS = 16,
    FIRST_BYTES = sizeof(uint32_t),
    ARRIVAL_BYTES = 2 * sizeof(uint64_t),
    CRC_BYTES = sizeof(uint32_t),
};

static struct {
    uint8_t block[FIRST_BYTES + MOST_ARRIVALS * ARRIVAL_BYTES + CRC_BYTES];
    uint32_t frames;     /* of the whole trace */
    uint32_t first, end; /* the arrivals that lie in `block` */
    uint32_t next;       /* the one of them that was not given out yet */
    uint64_t latest;     /* when the last one in `block` arrives */
    uint32_t deadline_ms;
    const char *fault;
} trace;

void trace_begin(uint32_t frames, uint32_t deadline_ms) {
    memset(&trace, 0, sizeof trace);
    trace.frames = frames;
    trace.deadline_ms = deadline_ms;
}

const char *trace_fault(void) {
    return trace.fault;
}

static uint32_t word_at(uint32_t offset) {
    uint32_t word;
    memcpy(&word, trace.block + offset, sizeof word);
    return word;
}

static arrival_t arrival_at(uint32_t place) {
    const uint8_t *from = trace.block + FIRST_BYTES + place * ARRIVAL_BYTES;
    arrival_t arrival;
    memcpy(&arrival.at, from, sizeof arrival.at);
    memcpy(&arrival.ticks, from + sizeof arrival.at, sizeof arrival.ticks);
    return arrival;
}

/* Whether no arrival of the block lies before the one before it, be that in the last block. */
static bool is_in_order(uint32_t count) {
    uint64_t before = trace.latest;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t at = arrival_at(i).at;
        if (at < before) {
            return false;
        }
        before = at;
    }
    return true;
}

static const char *receive(uint32_t first, uint32_t count) {
    const uint32_t covered = FIRST_BYTES + count * ARRIVAL_BYTES;
    const char *fault = text_receive(trace.block, covered + CRC_BYTES, trace.deadline_ms);

    if (fault != NULL) {
        return fault;
    }
    if (bench_crc_update(0, trace.block, covered) != word_at(covered)) {
        return "a block of arrivals was damaged on the line";
    }
    if (word_at(0) != first) {
        return "a block of other arrivals than those asked for";
    }
    return is_in_order(count) ? NULL : "an arrival before the one before it";
}

static void ask(void) {
    const uint32_t left = trace.frames - trace.end;
    const uint32_t count = left < MOST_ARRIVALS ? left : MOST_ARRIVALS;

    text_put("m-es-arrivals-");
    text_number(trace.end);
    text_put("-");
    text_number(count);
    text_end();
    trace.fault = receive(trace.end, count);
    trace.first = trace.end;
    trace.end += count;
    trace.latest = arrival_at(count - 1).at;
}

bool trace_next(arrival_t *next) {
    if (trace.next == trace.end) {
        ask();
    }
    if (trace.fault != NULL) {
        return false;
    }
    *next = arrival_at(trace.next++ - trace.first);
    return true;
}

uint32_t trace_ram_bytes(void) {
    return sizeof trace;
}
