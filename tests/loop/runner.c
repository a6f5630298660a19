/* Does to the sensor loop's C what it is told on standard input, and says what came of it.
 *
 * Every frame is filled with its own number and looked at when it begins and when it is finished.
 */
#include "es_decide.h"
#include "es_frame_set.h"
#include "es_loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number(void) {
    uint64_t value;
    if (scanf("%" SCNu64, &value) != 1) {
        exit(2);
    }
    return value;
}

static void *memory(size_t bytes) {
    void *got = malloc(bytes == 0 ? 1 : bytes); /* of exactly this size, for ASan */
    if (got == NULL) {
        exit(2);
    }
    return got;
}

static es_histogram_t histogram(uint32_t fine) {
    const es_histogram_t made = {.counts = memory(ES_HISTOGRAM_CLASSES(fine) * sizeof(uint32_t)),
                                 .fine = fine};
    return made;
}

static uint8_t mark(uint32_t sequence, uint32_t i) {
    return (uint8_t)(sequence * 31 + i);
}

static bool is_intact(const es_frame_t *frame, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        if (frame->bytes[i] != mark(frame->sequence, i)) {
            return false;
        }
    }
    return true;
}

static bool arrive(es_loop_t *loop, uint32_t bytes, uint64_t now) {
    uint8_t *place = es_loop_place(loop);
    for (uint32_t i = 0; place != NULL && i < bytes; i++) {
        place[i] = mark(loop->counters.arrived, i);
    }
    return es_loop_arrived(loop, now);
}

static void say_histogram(const es_histogram_t *seen) {
    printf("%u %u %u %u %u\n", seen->total, es_histogram_at(seen, 500), es_histogram_at(seen, 950),
           es_histogram_at(seen, 990), seen->largest);
}

static void run_loop(void) {
    es_loop_setup_t setup = {.capacity = (uint32_t)number(), .when_full = (es_full_t)number()};
    setup.deadline = number();
    setup.frame_bytes = (uint32_t)number();
    const uint32_t fine = (uint32_t)number();
    es_histogram_t wait = histogram(fine), latency = histogram(fine);
    setup.wait = &wait, setup.latency = &latency;
    setup.slots = memory(setup.capacity * sizeof *setup.slots);
    setup.frames = memory((size_t)(setup.capacity + 1) * setup.frame_bytes);
    es_loop_t loop;
    es_loop_start(&loop, &setup);
    const es_frame_t *frame = NULL;
    char what[2];
    while (scanf("%1s", what) == 1) {
        switch (what[0]) {
        case 'a':
            printf("%d\n", arrive(&loop, setup.frame_bytes, number()));
            break;
        case 'b': {
            const es_frame_t *begun = es_loop_begin(&loop, number());
            frame = begun != NULL ? begun : frame;
            printf("%d\n", begun == NULL ? -1 : (int)begun->sequence);
            if (begun != NULL && !is_intact(begun, setup.frame_bytes)) {
                printf("damaged\n");
            }
            break;
        }
        case 'f':
            if (frame != NULL && !is_intact(frame, setup.frame_bytes)) {
                printf("damaged\n");
            }
            es_loop_finish(&loop, number());
            break;
        case 's':
            es_loop_slept(&loop, number());
            break;
        case 'r':
            es_loop_resume(&loop);
            break;
        case 'w':
            es_loop_waited(&loop);
            break;
        case 'p':
            printf("%d\n", es_loop_has_progressed(&loop));
            break;
        }
    }
    const es_loop_counters_t *c = &loop.counters;
    printf("%u %u %u %u %u %u %" PRIu64 " %" PRIu64 " %d\n", c->arrived, c->dropped, c->begun,
           c->finished, c->late, c->most_waiting, c->busy, c->asleep, es_loop_is_stopped(&loop));
    say_histogram(&wait);
    say_histogram(&latency);
    for (uint32_t room = 0; room < 140; room += 20) {
        char *text = memory(room);
        const uint32_t length = es_loop_heartbeat(&loop, text, room);
        printf("%u:%.*s\n", length, (int)length, text);
        free(text);
    }
    free(wait.counts), free(latency.counts), free(setup.slots), free(setup.frames);
}

static void run_set(void) {
    es_frame_set_t set = {.count = (uint32_t)number()};
    set.jitter = number(), set.timeout = number();
    set.when_missing = (es_missing_t)number();
    set.parts = memory(set.count * sizeof *set.parts);
    es_frame_set_start(&set, 0);
    char what[2];
    while (scanf("%1s", what) == 1) {
        if (what[0] == 'o') {
            const uint32_t sensor = (uint32_t)number();
            es_frame_set_offer(&set, sensor, number());
        } else {
            const es_set_state_t state = es_frame_set_poll(&set, number());
            printf("%d %u\n", (int)state, es_frame_set_hung(&set, 3));
        }
    }
    for (uint32_t i = 0; i < set.count; i++) {
        const es_part_t *part = &set.parts[i];
        printf("%u %u %u\n", part->missed, part->reused, part->discarded);
    }
    printf("%u %u %u\n", set.whole, set.patched, set.skipped);
    free(set.parts);
}

static void run_decide(void) {
    es_decide_t decide = {.classes = (uint32_t)number()};
    decide.shift = (uint32_t)number();
    decide.on = (uint32_t)number(), decide.off = (uint32_t)number();
    decide.debounce = (uint32_t)number(), decide.rest = (uint32_t)number();
    decide.smooth = memory(decide.classes * sizeof(uint32_t));
    uint32_t *scores = memory(decide.classes * sizeof(uint32_t));
    es_decide_start(&decide);
    for (uint64_t frames = number(); frames > 0; frames--) {
        for (uint32_t i = 0; i < decide.classes; i++) {
            scores[i] = (uint32_t)number();
        }
        printf("%d\n", es_decide(&decide, scores));
    }
    printf("%u\n", decide.decisions);
    free(decide.smooth), free(scores);
}

static void run_gate(void) {
    es_gate_t gate = {.threshold = (uint32_t)number(), .hold = (uint32_t)number()};
    for (uint64_t frames = number(); frames > 0; frames--) {
        printf("%d\n", es_gate(&gate, (uint32_t)number()));
    }
    printf("%u %u\n", gate.looked, gate.woken);
}

static void run_histogram(void) {
    es_histogram_t seen = histogram((uint32_t)number());
    es_histogram_clear(&seen);
    for (uint64_t count = number(); count > 0; count--) {
        es_histogram_add(&seen, number());
    }
    say_histogram(&seen);
    free(seen.counts);
}

int main(int count, char **words) {
    if (count != 2) {
        return 2;
    }
    const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"loop", run_loop},
                 {"set", run_set},
                 {"decide", run_decide},
                 {"gate", run_gate},
                 {"histogram", run_histogram}};
    for (uint32_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(words[1], modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    }
    return 2;
}
