/* Drivers of sensors behind one interface, and windows of what they deliver.
 *
 *     es_sensor_start(&imu.sensor, es_port_ticks());            once
 *     if (es_window_poll(&window, es_port_ticks())) { ... }     in the main loop, often
 *
 * A driver is a const struct of functions; what it knows of its sensor begins with an es_sensor_t,
 * the caller's. Samples go into the caller's buffer; nothing allocates, and nothing waits but for a
 * transfer on a bus. All calls are the main loop's: interrupts touch an es_halves_t or a camera's
 * ring alone, so that es_loop_arrived() is called from one place and nothing is masked.
 *
 * A driver that fails is stopped, mended and started again by es_sensor_poll(), at once and then
 * each `rest` ticks. What was lost in between is a gap, and no window spans one. Faults that cannot
 * mend, ES_FAULT_ABSENT and ES_FAULT_SETUP, stay. */
#ifndef ES_SENSOR_H
#define ES_SENSOR_H

#include "es_bus.h"
#include "es_loop.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct es_sensor es_sensor_t;

/* What a sample is: `channels` elements, one after the other. */
typedef struct es_sensor_format {
    uint32_t element_bytes; /* 2: int16 in the processor's order; 1: a byte of a row */
    uint32_t channels;      /* axes; 1 of an ADC and a microphone; bytes of a camera's row */
    uint32_t rate_mhz;      /* samples in 1000 s; 0 where the sensor does not say */
} es_sensor_format_t;

typedef struct es_driver {
    const char *name;
    /* From stopped to running: checks the setup, finds the sensor, writes sensor->format. */
    es_fault_t (*start)(es_sensor_t *sensor);
    /* Up to `room` >= 1 samples that follow each other, as many as are there, to `samples`; *count
     * of them. With ES_FAULT_OVERRUN or ES_FAULT_GAP the sensor goes on, and what is missing was
     * in front of the first of them; it adds to sensor->lost. After any other fault it is down. */
    es_fault_t (*poll)(es_sensor_t *sensor, void *samples, uint32_t room, uint32_t *count);
    /* From any state, as far as the sensor still listens. */
    void (*stop)(es_sensor_t *sensor);
    /* What else to try before it is started again; null where there is nothing. */
    void (*mend)(es_sensor_t *sensor);
} es_driver_t;

typedef enum es_sensor_state {
    ES_SENSOR_STOPPED,
    ES_SENSOR_RUNNING,
    ES_SENSOR_DOWN, /* a fault; es_sensor_poll() tries again */
    ES_SENSOR_DEAD, /* a fault that cannot mend */
} es_sensor_state_t;

/* Set `driver`, and where wanted `silence` and `rest`; read the others. */
struct es_sensor {
    const es_driver_t *driver;
    uint64_t silence; /* ticks without a sample after which it is hung; 0: never */
    uint64_t rest;    /* ticks between two attempts to start it again */
    es_sensor_format_t format;
    es_sensor_state_t state;
    es_fault_t fault; /* the last one */
    bool has_gap;     /* in front of the samples of the last poll */
    bool must_say;    /* the next samples come after a gap */
    uint64_t heard;   /* the last sample, or start */
    uint64_t tried;   /* the last attempt to start it */
    uint32_t samples; /* so far, as all below */
    uint32_t lost;    /* that are known to be */
    uint32_t faults;
    uint32_t recoveries;
};

/* The fault when it does not start; es_sensor_poll() goes on trying where that can help. */
es_fault_t es_sensor_start(es_sensor_t *sensor, uint64_t now);
void es_sensor_stop(es_sensor_t *sensor);

/* Up to `room` samples; how many. Never waits for one. Starts a sensor again that is down. */
uint32_t es_sensor_poll(es_sensor_t *sensor, uint64_t now, void *samples, uint32_t room);

static inline uint32_t es_sensor_sample_bytes(const es_sensor_t *sensor) {
    return sensor->format.element_bytes * sensor->format.channels;
}

const char *es_fault_text(es_fault_t fault);

/* One line of what happened so far, without an end of line, cut to fit; returns its length.
 * `text` has room for `bytes`, of which the last is a zero. */
uint32_t es_sensor_report(const es_sensor_t *sensor, char *text, uint32_t bytes);

/* Samples that follow each other without a gap, one window after the other. */
typedef struct es_window {
    es_sensor_t *sensor;
    void *into;       /* `samples` of the sensor's, the caller's */
    uint32_t samples; /* at least 1 */
    uint32_t keep;    /* of a window, how many begin the next one; less than `samples` */
    uint32_t filled;
    uint32_t broken; /* windows that a gap has cut short */
    bool is_whole;
} es_window_t;

/* True when `into` holds a whole window, which stays until the next call. */
bool es_window_poll(es_window_t *window, uint64_t now);

/* The same, and a copy of it into the loop, whose frames are as long as the window. */
bool es_window_feed(es_window_t *window, es_loop_t *loop, uint64_t now);

#ifdef __cplusplus
}
#endif

#endif
