/* Your application: this file is yours, and edgeserve never writes over it.
 *
 * A sensor loop: acquire, preprocess, infer, decide, act. As it stands the sensor delivers zeros
 * ten times a second, and what is done about a decision is to say it. Yours are read_sensor() and
 * act(). */
#include "edgeserve.h"
#include "es_decide.h"
#include "es_loop.h"
#include "es_port.h"
#include "model.h"

#include <string.h>

#if __has_include("preprocess.h")
#include "preprocess.h"
#endif

enum {
    RING = 4,           /* frames that may wait; `edgeserve loop` says how many it takes */
    PERIOD_MS = 100,    /* of the sensor */
    DEADLINE_MS = 1000, /* from a frame to its answer */
    HEARTBEAT_MS = 5000,
    WATCHDOG_MS = 10000, /* longer than an inference, longer than PERIOD_MS */
    MOST_CLASSES = 64,
    CLASSES = MODEL_OUTPUT_BYTES < MOST_CLASSES ? MODEL_OUTPUT_BYTES : MOST_CLASSES,
};

/* Memory for the model: an array for each bank of its plan, mostly a single one. */
#define ARRAY(index, region, bytes, alignment)                                                     \
    static _Alignas(alignment) ES_IN_REGION(region) uint8_t bank_##index[bytes];
MODEL_BANKS(ARRAY)

#define ENTRY(index, region, bytes, alignment) {bank_##index, sizeof bank_##index},
static const es_bank_t banks[] = {MODEL_BANKS(ENTRY)};
static es_model_t model;

/* The ring holds when frames came, and no bytes: each is read from the sensor when its turn comes.
 * Give it `frames` and `frame_bytes` where a driver writes them by itself (es_loop.h). */
static es_slot_t slots[RING];
static uint32_t latencies[ES_HISTOGRAM_CLASSES(3)];
static es_histogram_t latency = {.counts = latencies, .fine = 3};
static es_loop_t loop;

static uint32_t smooth[CLASSES];
static es_decide_t decision = {
    .smooth = smooth,
    .classes = CLASSES,
    .on = 32768, /* of 65536 */
    .off = 24576,
    .debounce = 2,
};

static void say(const char *text) {
    for (; *text != '\0'; text++) {
        es_port_write(*text);
    }
}

static void say_number(uint32_t value) {
    if (value >= 10) {
        say_number(value / 10);
    }
    es_port_write((char)('0' + value % 10));
}

static uint64_t ticks_of(uint32_t ms) {
    return (uint64_t)ms * es_port_ticks_hz() / 1000;
}

/* Acquire: yours. Fills what preprocessing takes, or the input itself where nothing is declared. */
static void read_sensor(void *bytes, uint32_t count) {
    memset(bytes, 0, count);
}

/* Preprocess. An input that is fed by rows reads as zeros until es_set_source() says where they
 * come from. */
static void prepare(void) {
#if !defined(MODEL_PREPROCESS_KIND)
    if (es_input(&model, 0) != NULL) {
        read_sensor(es_input(&model, 0), es_input_bytes(&model, 0));
    }
#else
    static _Alignas(8) uint8_t raw[MODEL_PREPROCESS_RAW_BYTES];
    int8_t *input = es_input(&model, 0);
    read_sensor(raw, sizeof raw);
    if (input == NULL) {
        return;
    }
#if MODEL_PREPROCESS_KIND == ES_PREPROCESS_IMAGE
    es_preprocess_image(&MODEL_PREPROCESS, raw, input);
#elif MODEL_PREPROCESS_KIND == ES_PREPROCESS_AUDIO
    static _Alignas(8) uint8_t scratch[MODEL_PREPROCESS_SCRATCH_BYTES];
    es_preprocess_audio(&MODEL_PREPROCESS, (const int16_t *)raw, input, scratch);
#else
    es_preprocess_sensor(&MODEL_PREPROCESS, (const int16_t *)raw, input);
#endif
#endif
}

static uint32_t largest(const int8_t *values, uint32_t count) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        best = values[i] > values[best] ? i : best;
    }
    return best;
}

/* Decide. With a declared postprocess.h the scores are es_probability()'s. */
static int32_t decide(void) {
    const int8_t *outputs = es_output(&model, 0);
    uint32_t scores[CLASSES] = {0};
    for (uint32_t i = 0; i < CLASSES && i < es_output_bytes(&model, 0); i++) {
        scores[i] = (uint32_t)(outputs[i] + 128) * 257;
    }
    return es_decide(&decision, scores);
}

/* Act: yours. */
static void act(int32_t class) {
    say("decided: ");
    say_number((uint32_t)class);
    say("\r\n");
}

/* Marks each step, so that what hangs is known after the reset. */
static void before_step(void *context, uint32_t step) {
    (void)context;
    es_port_mark(step);
}

static const es_observer_t marker = {.before = before_step};

static void say_how_the_last_run_ended(void) {
    static const char *const causes[] = {"", "a fault", "the watchdog", "a fatal error"};
    const es_port_crash_t crash = es_port_last_crash();

    if (crash.cause != ES_PORT_NO_CRASH) {
        say("the run before ended by ");
        say(causes[crash.cause]);
        say(" at pc ");
        say_number(crash.pc);
        say(" in step ");
        say_number(crash.mark);
        say("\r\n");
    }
}

static void start(void) {
    const es_loop_setup_t setup = {
        .slots = slots,
        .capacity = RING,
        .when_full = ES_FULL_OLDEST,
        .deadline = ticks_of(DEADLINE_MS),
        .latency = &latency,
    };
    const es_status_t status =
        es_init_banks(&model, MODEL_TABLE, MODEL_TABLE_BYTES, MODEL_KERNELS, MODEL_KERNEL_COUNT,
                      banks, sizeof banks / sizeof *banks);
    if (status != ES_OK) {
        es_port_fatal(es_status_text(status));
    }
    model.observer = &marker;
    es_loop_start(&loop, &setup);
    es_decide_start(&decision);
    (void)es_port_watchdog_start(WATCHDOG_MS);
}

/* A frame from the ring to what is done about it; false when none waits. */
static bool work(void) {
    const es_frame_t *frame = es_loop_begin(&loop, es_port_ticks());
    if (frame == NULL) {
        return false;
    }
    prepare();
    es_run(&model);
    if (frame->sequence == 0) {
        say("largest output: ");
        say_number(largest(es_output(&model, 0), es_output_bytes(&model, 0)));
        say("\r\n");
    }
    const int32_t class = decide();
    if (class >= 0) {
        act(class);
    }
    es_loop_finish(&loop, es_port_ticks());
    return true;
}

static void say_heartbeat(void) {
    char line[128];
    (void)es_loop_heartbeat(&loop, line, sizeof line);
    say(line);
    say("\r\n");
}

/* Until the console is closed, which on a board it never is. A sensor with an interrupt calls
 * es_loop_arrived() there, and the loop may es_port_idle() instead of looking each millisecond. */
static void run(void) {
    uint64_t next = es_port_ticks(), beat = next + ticks_of(HEARTBEAT_MS);

    for (;;) {
        const uint64_t now = es_port_ticks();
        for (; next <= now; next += ticks_of(PERIOD_MS)) {
            (void)es_loop_arrived(&loop, next);
        }
        if (now >= beat) {
            say_heartbeat();
            beat += ticks_of(HEARTBEAT_MS);
        }
        if (!work()) {
            if (es_port_read(1) == ES_PORT_CLOSED) {
                return;
            }
            es_loop_slept(&loop, es_port_ticks() - now);
        }
        if (es_loop_has_progressed(&loop)) {
            es_port_watchdog_feed();
        }
    }
}

void es_main(void) {
    es_port_start();
    say_how_the_last_run_ended();
    start();
    run();
}
