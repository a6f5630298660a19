/* The sensor loop's memory. */
#include "es_loop.h"

#include <stddef.h>
#include <string.h>

void es_loop_start(es_loop_t *loop, const es_loop_setup_t *setup) {
    memset(loop, 0, sizeof *loop);
    loop->setup = *setup;
    for (uint32_t i = 0; i < setup->capacity; i++) {
        loop->setup.slots[i].place = i;
    }
    loop->hand = setup->capacity;
    if (setup->wait != NULL) {
        es_histogram_clear(setup->wait);
    }
    if (setup->latency != NULL) {
        es_histogram_clear(setup->latency);
    }
}

static bool is_full(const es_loop_t *loop) {
    return loop->waiting == loop->setup.capacity;
}

/* The slot of the waiting frame `index`, or of the next one to come. */
static es_slot_t *slot_at(const es_loop_t *loop, uint32_t index) {
    /* No sum of 32 bits can overflow before it is reduced: index <= capacity. */
    const uint64_t at = (uint64_t)loop->head + index;
    return &loop->setup.slots[at % loop->setup.capacity];
}

static uint8_t *bytes_at(const es_loop_t *loop, uint32_t place) {
    const es_loop_setup_t *setup = &loop->setup;
    return setup->frames == NULL ? NULL : setup->frames + (size_t)place * setup->frame_bytes;
}

static void take_oldest_out(es_loop_t *loop) {
    loop->head = (loop->head + 1) % loop->setup.capacity;
    loop->waiting--;
}

/* Makes room for a frame; false when it is to be dropped itself. */
static bool make_room(es_loop_t *loop) {
    if (loop->is_stopped) {
        return false;
    }
    if (!is_full(loop)) {
        return true;
    }
    switch (loop->setup.when_full) {
    case ES_FULL_OLDEST:
        take_oldest_out(loop);
        loop->counters.dropped++;
        return true;
    case ES_FULL_STOP:
        loop->is_stopped = true;
        return false;
    case ES_FULL_NEWEST:
        return false;
    }
    return false;
}

uint8_t *es_loop_place(es_loop_t *loop) {
    return make_room(loop) ? bytes_at(loop, slot_at(loop, loop->waiting)->place) : NULL;
}

bool es_loop_arrived(es_loop_t *loop, uint64_t now) {
    const uint32_t sequence = loop->counters.arrived++;

    if (!make_room(loop)) {
        loop->counters.dropped++;
        return false;
    }
    es_slot_t *slot = slot_at(loop, loop->waiting);
    slot->arrived = now;
    slot->sequence = sequence;
    loop->waiting++;
    if (loop->waiting > loop->counters.most_waiting) {
        loop->counters.most_waiting = loop->waiting;
    }
    return true;
}

const es_frame_t *es_loop_begin(es_loop_t *loop, uint64_t now) {
    if (loop->is_busy || loop->waiting == 0) {
        return NULL;
    }
    es_slot_t *slot = slot_at(loop, 0);
    const uint32_t place = slot->place;
    slot->place = loop->hand; /* what was in hand is free now */
    loop->hand = place;
    loop->in_hand.bytes = bytes_at(loop, place);
    loop->in_hand.arrived = slot->arrived;
    loop->in_hand.sequence = slot->sequence;
    take_oldest_out(loop);
    loop->is_busy = true;
    loop->begun_at = now;
    loop->counters.begun++;
    if (loop->setup.wait != NULL) {
        es_histogram_add(loop->setup.wait, now - loop->in_hand.arrived);
    }
    return &loop->in_hand;
}

void es_loop_finish(es_loop_t *loop, uint64_t now) {
    if (!loop->is_busy) {
        return;
    }
    const uint64_t latency = now - loop->in_hand.arrived;
    loop->is_busy = false;
    loop->has_progressed = true;
    loop->counters.finished++;
    loop->counters.busy += now - loop->begun_at;
    loop->counters.late += loop->setup.deadline != 0 && latency > loop->setup.deadline;
    if (loop->setup.latency != NULL) {
        es_histogram_add(loop->setup.latency, latency);
    }
}

bool es_loop_is_stopped(const es_loop_t *loop) {
    return loop->is_stopped;
}

void es_loop_resume(es_loop_t *loop) {
    loop->is_stopped = false;
}

void es_loop_slept(es_loop_t *loop, uint64_t ticks) {
    loop->counters.asleep += ticks;
}

void es_loop_waited(es_loop_t *loop) {
    loop->has_progressed = true;
}

bool es_loop_has_progressed(es_loop_t *loop) {
    const bool progressed = loop->has_progressed;
    loop->has_progressed = false;
    return progressed;
}

/* Text that ends at `end`, whatever is put into it. */
typedef struct line {
    char *at, *end;
} line_t;

static void put(line_t *line, const char *text) {
    while (*text != '\0' && line->at < line->end) {
        *line->at++ = *text++;
    }
}

static void put_number(line_t *line, const char *name, uint64_t value) {
    char digits[21], *first = digits + sizeof digits - 1;
    *first = '\0';
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put(line, name);
    put(line, first);
}

/* Busy ticks of a thousand; 0 before anything was counted. */
static uint64_t duty_permille(const es_loop_counters_t *counters) {
    uint64_t busy = counters->busy, all = counters->busy + counters->asleep;
    while (busy > UINT64_MAX / 1000) {
        busy >>= 1, all >>= 1;
    }
    return all == 0 ? 0 : busy * 1000 / all;
}

uint32_t es_loop_heartbeat(const es_loop_t *loop, char *text, uint32_t bytes) {
    if (bytes == 0) {
        return 0;
    }
    const es_loop_counters_t *counters = &loop->counters;
    line_t line = {text, text + bytes - 1};
    put_number(&line, "loop in ", counters->arrived);
    put_number(&line, " done ", counters->finished);
    put_number(&line, " dropped ", counters->dropped);
    put_number(&line, " late ", counters->late);
    put_number(&line, " waiting ", loop->waiting);
    put_number(&line, " most ", counters->most_waiting);
    put_number(&line, " duty ", duty_permille(counters));
    put(&line, "/1000");
    put(&line, loop->is_stopped ? " stopped" : "");
    *line.at = '\0';
    return (uint32_t)(line.at - text);
}
