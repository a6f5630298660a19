/* An application that puts the sensor loop of an emulated board to the test, one letter a trial. */
#include "edgeserve.h"
#include "es_frame_set.h"
#include "es_loop.h"
#include "es_port.h"
#include "model.h"

#include <string.h>

enum { CAMERA, MOTION, SENSORS, SETS = 20, WATCHDOG_MS = 50, PERIOD_MS = 10, STEP_MARK = 0x100 };

#define ARRAY(index, region, bytes, alignment)                                                     \
    static _Alignas(alignment) ES_IN_REGION(region) uint8_t bank_##index[bytes];
MODEL_BANKS(ARRAY)
#define ENTRY(index, region, bytes, alignment) {bank_##index, sizeof bank_##index},
static const es_bank_t banks[] = {MODEL_BANKS(ENTRY)};
static es_model_t model;
static bool hang;

static void say(const char *text) {
    for (; *text != '\0'; text++) {
        es_port_write(*text);
    }
}

static void say_hex(const char *name, uint32_t value) {
    say(name);
    for (int shift = 28; shift >= 0; shift -= 4) {
        es_port_write("0123456789abcdef"[value >> shift & 15]);
    }
}

static uint64_t ticks_of(uint32_t ms) {
    return (uint64_t)ms * es_port_ticks_hz() / 1000;
}

/* Marks each step, and never comes back from the last one when it is to hang. */
static void before(void *context, uint32_t step) {
    (void)context;
    es_port_mark(STEP_MARK + step);
    while (hang && step + 1 == es_step_count(&model)) {
        (void)es_port_ticks();
    }
}

static const es_observer_t observer = {.before = before};

/* A camera that delivers, a motion sensor that goes silent after five parts. The watchdog is fed by
 * progress alone. */
static void two_sensors_of_which_one_hangs(void) {
    es_part_t parts[SENSORS];
    es_frame_set_t set = {.parts = parts,
                          .count = SENSORS,
                          .jitter = ticks_of(2),
                          .timeout = ticks_of(PERIOD_MS) * 3 / 2,
                          .when_missing = ES_MISSING_PREVIOUS};
    es_slot_t slots[2];
    es_loop_t loop;
    const es_loop_setup_t setup = {.slots = slots, .capacity = 2, .when_full = ES_FULL_OLDEST};
    uint64_t next = es_port_ticks();
    uint32_t offered = 0;

    es_loop_start(&loop, &setup);
    es_frame_set_start(&set, next);
    (void)es_port_watchdog_start(WATCHDOG_MS);
    while (loop.counters.finished < SETS) {
        const uint64_t now = es_port_ticks();
        if (now >= next) {
            es_frame_set_offer(&set, CAMERA, now);
            if (offered++ < 5) {
                es_frame_set_offer(&set, MOTION, now);
            }
            next += ticks_of(PERIOD_MS);
        }
        const es_set_state_t state = es_frame_set_poll(&set, now);
        if (state == ES_SET_WAITING) {
            continue;
        }
        es_loop_waited(&loop);
        if (state != ES_SET_SKIPPED && es_loop_arrived(&loop, now) &&
            es_loop_begin(&loop, now) != NULL) {
            es_run(&model);
            es_loop_finish(&loop, es_port_ticks());
        }
        if (es_loop_has_progressed(&loop)) {
            es_port_watchdog_feed();
        }
    }
    say(es_frame_set_hung(&set, 3) == MOTION ? "motion hangs" : "nobody hangs");
    say(set.whole == 5 && set.patched + 5 == SETS ? ", 5 whole, 15 patched\r\n" : ", wrong\r\n");
}

static void start(void) {
    static const char *const causes[] = {"none", "fault", "watchdog", "fatal"};
    const es_port_crash_t crash = es_port_last_crash();

    say("start after ");
    say(causes[crash.cause]);
    say_hex(" pc=", crash.pc);
    say_hex(" mark=", crash.mark);
    say("\r\n");
    if (es_init_banks(&model, MODEL_TABLE, MODEL_TABLE_BYTES, MODEL_KERNELS, MODEL_KERNEL_COUNT,
                      banks, sizeof banks / sizeof *banks) != ES_OK) {
        es_port_fatal("no model");
    }
    model.observer = &observer;
}

void es_main(void) {
    es_port_start();
    start();
    for (;;) {
        switch (es_port_read(ES_PORT_FOREVER)) {
        case 's':
            two_sensors_of_which_one_hangs();
            break;
        case 'h':
            hang = true;
            (void)es_port_watchdog_start(WATCHDOG_MS);
            es_run(&model);
            break;
        case 'f':
            (void)es_port_watchdog_start(WATCHDOG_MS);
            es_port_mark(5);
            (void)*(volatile uint32_t *)0xE8000000u;
            break;
        case 'x':
            (void)es_port_watchdog_start(WATCHDOG_MS);
            es_port_fatal("no more");
        case 'r':
            es_port_mark(7);
            es_port_reset();
        }
    }
}
