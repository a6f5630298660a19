/* The sensor loop on the bench. */
#include "bench_loop.h"

#include "bench_model.h"
#include "bench_text.h"

#include <string.h>

enum { FINE = 6, WORDS = 2, BEAT_BYTES = 128 };

static struct {
    es_loop_t loop;
    es_slot_t slots[BENCH_LOOP_RING];
    uint32_t frames[BENCH_LOOP_RING + 1][WORDS];
    uint32_t waits[ES_HISTOGRAM_CLASSES(FINE)], latencies[ES_HISTOGRAM_CLASSES(FINE)];
    es_histogram_t wait, latency;
    arrivals_t arrivals;
    uint64_t now, next;
    uint32_t left;    /* frames that have not arrived */
    uint32_t damaged; /* frames that were not what arrived, and outputs that were not the first */
    uint32_t crc;
    bool is_on, was_on;
} replay;

static void await_next(void) {
    replay.left--;
    if (replay.left > 0) {
        replay.next = arrivals_next(&replay.arrivals);
    }
}

void bench_loop_start(const bench_loop_setup_t *setup, uint32_t frames,
                      const arrivals_t *arrivals) {
    memset(&replay, 0, sizeof replay);
    replay.wait = (es_histogram_t){.counts = replay.waits, .fine = FINE};
    replay.latency = (es_histogram_t){.counts = replay.latencies, .fine = FINE};
    const es_loop_setup_t loop = {
        .slots = replay.slots,
        .capacity = setup->capacity,
        .frames = (uint8_t *)replay.frames,
        .frame_bytes = sizeof replay.frames[0],
        .when_full = setup->when_full,
        .deadline = setup->deadline,
        .wait = &replay.wait,
        .latency = &replay.latency,
    };
    es_loop_start(&replay.loop, &loop);
    replay.arrivals = *arrivals;
    replay.next = arrivals_next(&replay.arrivals);
    replay.left = frames;
    replay.is_on = replay.was_on = true;
}

void bench_loop_stop(void) {
    replay.is_on = false;
}

bool bench_loop_is_running(void) {
    return replay.is_on;
}

/* A frame of two words that tell when it is another one's, or half of it. */
static void let_in(void) {
    while (replay.left > 0 && replay.next <= replay.now) {
        const uint32_t sequence = replay.loop.counters.arrived;
        const uint32_t words[WORDS] = {sequence, ~sequence};
        uint8_t *place = es_loop_place(&replay.loop);
        if (place != NULL) {
            memcpy(place, words, sizeof words);
        }
        (void)es_loop_arrived(&replay.loop, replay.next);
        await_next();
    }
}

static bool is_intact(const es_frame_t *frame) {
    uint32_t words[WORDS];
    memcpy(words, frame->bytes, sizeof words);
    return words[0] == frame->sequence && words[1] == ~frame->sequence;
}

static void serve(const es_frame_t *frame) {
    uint32_t crc;
    replay.now += bench_run(&crc);
    if (replay.loop.counters.begun == 1) {
        replay.crc = crc;
    }
    let_in();
    replay.damaged += !is_intact(frame) || (crc != replay.crc && !bench_is_stateful());
    es_loop_finish(&replay.loop, replay.now);
}

void bench_loop_step(void) {
    let_in();
    const es_frame_t *frame = es_loop_begin(&replay.loop, replay.now);
    if (frame != NULL) {
        serve(frame);
    } else if (replay.left > 0) {
        es_loop_slept(&replay.loop, replay.next - replay.now);
        replay.now = replay.next;
    } else {
        replay.is_on = false;
    }
}

static void say_distribution(const char *p50, const char *p95, const char *p99, const char *most,
                             const es_histogram_t *seen) {
    text_fact_number(p50, es_histogram_at(seen, 500));
    text_fact_number(p95, es_histogram_at(seen, 950));
    text_fact_number(p99, es_histogram_at(seen, 990));
    text_fact_number(most, seen->largest);
}

void bench_loop_say(void) {
    const es_loop_counters_t *counters = &replay.loop.counters;
    char beat[BEAT_BYTES];

    if (!replay.was_on) {
        text_fact("loop-state", "never started");
        return;
    }
    text_fact("loop-state", replay.is_on                            ? "running"
                            : replay.left + replay.loop.waiting > 0 ? "stopped"
                                                                    : "done");
    text_fact_number("loop-in", counters->arrived);
    text_fact_number("loop-inferred", counters->finished);
    text_fact_number("loop-dropped", counters->dropped);
    text_fact_number("loop-late", counters->late);
    text_fact_number("loop-most-waiting", counters->most_waiting);
    text_fact_number("loop-damaged", replay.damaged);
    text_fact_number("loop-busy", counters->busy);
    text_fact_number("loop-asleep", counters->asleep);
    say_distribution("loop-wait-p50", "loop-wait-p95", "loop-wait-p99", "loop-wait-max",
                     &replay.wait);
    say_distribution("loop-latency-p50", "loop-latency-p95", "loop-latency-p99", "loop-latency-max",
                     &replay.latency);
    (void)es_loop_heartbeat(&replay.loop, beat, sizeof beat);
    text_fact("loop-beat", beat);
}

uint32_t bench_loop_ram_bytes(void) {
    return sizeof replay;
}
