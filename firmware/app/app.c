/* Your application: this file is yours, and edgeserve never writes over it.
 *
 * A sensor loop: acquire, preprocess, infer, decide, act. As it stands the sensor delivers zeros
 * ten times a second, and what is done about a decision is to say it. Yours are read_sensor() and
 * act(). Built with -DES_SENSORS=1, a driver of the board's own takes the place of the zeros. */
#include "edgeserve.h"
#include "es_decide.h"
#include "es_loop.h"
#include "es_port.h"
#include "model.h"

#include <string.h>

#if __has_include("preprocess.h")
#include "preprocess.h"
#endif

#ifndef ES_SENSORS
#define ES_SENSORS 0
#endif

#if ES_SENSORS
#if !defined(MODEL_PREPROCESS_KIND)
#error "ES_SENSORS=1 takes raw data of a declared kind: convert with --preprocess"
#elif MODEL_PREPROCESS_KIND == ES_PREPROCESS_IMAGE
#include "es_camera.h"
#elif MODEL_PREPROCESS_KIND == ES_PREPROCESS_AUDIO
#include "es_sampled.h"
#else
#include "es_imu.h"
#endif
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

#if defined(MODEL_PREPROCESS_KIND)
static _Alignas(8) uint8_t raw[MODEL_PREPROCESS_RAW_BYTES];
#endif

#if ES_SENSORS
/* Acquire, by a driver: yours to choose and to set up (docs/SENSORS.md). It fills windows of raw
 * data, one after the other, of which KEEP samples begin the next. */
#if MODEL_PREPROCESS_KIND == ES_PREPROCESS_IMAGE
enum { SAMPLES = MODEL_PREPROCESS_HEIGHT, KEEP = 0, ROWS = 8 };
static uint8_t rows[ROWS * MODEL_PREPROCESS_ROW_BYTES];
static uint32_t row_numbers[ROWS];
static es_camera_t camera = {
    .sensor.driver = &es_camera_driver,
    .width = MODEL_PREPROCESS_WIDTH,
    .height = MODEL_PREPROCESS_HEIGHT,
    .ring = rows,
    .numbers = row_numbers,
    .depth = ROWS,
};

static es_sensor_t *connect_sensor(void) {
    const uint32_t format = MODEL_PREPROCESS.format;
    camera.pixels = format == ES_GRAY8  ? ES_PIXELS_GRAY8
                    : format == ES_YUYV ? ES_PIXELS_YUYV
                                        : ES_PIXELS_RGB565;
    camera.bus = es_port_camera(0);
    return &camera.sensor;
}
#elif MODEL_PREPROCESS_KIND == ES_PREPROCESS_AUDIO
/* A half lasts a quarter of a second: longer than an inference, or samples are lost. */
enum {
    SAMPLES = MODEL_PREPROCESS_SAMPLES,
    KEEP = SAMPLES / 2,
    HALF = MODEL_PREPROCESS_RATE_HZ / 4,
};
static int16_t halves[2 * HALF];
static es_sampled_t microphone = {
    .sensor.driver = &es_microphone_driver,
    .sampling = {.rate_hz = MODEL_PREPROCESS_RATE_HZ, .samples = halves, .half = HALF},
};

static es_sensor_t *connect_sensor(void) {
    microphone.sampler = es_port_microphone(0);
    return &microphone.sensor;
}
#else
enum { SAMPLES = MODEL_PREPROCESS_SAMPLES, KEEP = SAMPLES - MODEL_PREPROCESS_HOP };
static es_imu_t imu = {
    .sensor.driver = &es_imu_driver,
    .chip = &es_lsm6dsox,
    .axes = MODEL_PREPROCESS_CHANNELS,
    .fifo = true,
};

static es_sensor_t *connect_sensor(void) {
    imu.bus = es_port_i2c(0);
    return &imu.sensor;
}
#endif

static es_window_t window = {.into = raw, .samples = SAMPLES, .keep = KEEP};

/* One that may still mend is tried again and again: the heartbeat says what is the matter. */
static void start_sensor(void) {
    es_sensor_t *sensor = window.sensor = connect_sensor();
    sensor->silence = sensor->rest = ticks_of(1000);
    const es_fault_t fault = es_sensor_start(sensor, es_port_ticks());
    if (sensor->state == ES_SENSOR_DEAD) {
        es_port_fatal(es_fault_text(fault));
    }
    if (es_sensor_sample_bytes(sensor) * SAMPLES != sizeof raw) {
        es_port_fatal("a sample of the sensor is not what the model's declaration says");
    }
}

/* A window is worked on before the next one is asked for, so that one buffer is enough. A sensor
 * that is down is no reason to start the board again: that it is tried again is progress. */
static void acquire(uint64_t now) {
    if (es_window_poll(&window, now)) {
        (void)es_loop_arrived(&loop, now);
    } else if (window.sensor->state == ES_SENSOR_DOWN) {
        es_loop_waited(&loop);
    }
}

#else
/* Acquire: yours. Fills what preprocessing takes, or the input itself where nothing is declared. */
static void read_sensor(void *bytes, uint32_t count) {
    memset(bytes, 0, count);
}
#endif

/* Preprocess. An input that is fed by rows reads as zeros until es_set_source() says where they
 * come from. */
static void prepare(void) {
#if !defined(MODEL_PREPROCESS_KIND)
    if (es_input(&model, 0) != NULL) {
        read_sensor(es_input(&model, 0), es_input_bytes(&model, 0));
    }
#else
    int8_t *input = es_input(&model, 0);
#if !ES_SENSORS
    read_sensor(raw, sizeof raw);
#endif
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
#if ES_SENSORS
    start_sensor();
#endif
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
#if ES_SENSORS
    (void)es_sensor_report(window.sensor, line, sizeof line);
    say(line);
    say("\r\n");
#endif
}

/* Until the console is closed, which on a board it never is. A sensor with an interrupt calls
 * es_loop_arrived() there, and the loop may es_port_idle() instead of looking each millisecond. */
static void run(void) {
    uint64_t next = es_port_ticks(), beat = next + ticks_of(HEARTBEAT_MS);

    for (;;) {
        const uint64_t now = es_port_ticks();
#if ES_SENSORS
        acquire(now);
#else
        for (; next <= now; next += ticks_of(PERIOD_MS)) {
            (void)es_loop_arrived(&loop, next);
        }
#endif
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
