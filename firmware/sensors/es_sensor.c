/* What all drivers share: states, recovery, counters, windows. */
#include "es_sensor.h"

#include <stddef.h>
#include <string.h>

static bool goes_on(es_fault_t fault) {
    return fault == ES_FAULT_NONE || fault == ES_FAULT_OVERRUN || fault == ES_FAULT_GAP;
}

static void note(es_sensor_t *sensor, es_fault_t fault) {
    if (fault != ES_FAULT_NONE) {
        sensor->fault = fault;
        sensor->faults++;
        sensor->must_say = true;
    }
}

static void fail(es_sensor_t *sensor, es_fault_t fault) {
    const bool is_final = fault == ES_FAULT_ABSENT || fault == ES_FAULT_SETUP;
    note(sensor, fault);
    sensor->state = is_final ? ES_SENSOR_DEAD : ES_SENSOR_DOWN;
}

static es_fault_t try_to_start(es_sensor_t *sensor, uint64_t now) {
    const es_fault_t fault = sensor->driver->start(sensor);
    sensor->tried = now;
    if (fault != ES_FAULT_NONE) {
        fail(sensor, fault);
        return fault;
    }
    sensor->state = ES_SENSOR_RUNNING;
    sensor->heard = now;
    return ES_FAULT_NONE;
}

es_fault_t es_sensor_start(es_sensor_t *sensor, uint64_t now) {
    sensor->fault = ES_FAULT_NONE;
    sensor->has_gap = sensor->must_say = false;
    sensor->samples = sensor->lost = sensor->faults = sensor->recoveries = 0;
    return try_to_start(sensor, now);
}

void es_sensor_stop(es_sensor_t *sensor) {
    if (sensor->state == ES_SENSOR_RUNNING || sensor->state == ES_SENSOR_DOWN) {
        sensor->driver->stop(sensor);
    }
    sensor->state = ES_SENSOR_STOPPED;
}

static void recover(es_sensor_t *sensor, uint64_t now) {
    sensor->driver->stop(sensor);
    if (sensor->driver->mend != NULL) {
        sensor->driver->mend(sensor);
    }
    if (try_to_start(sensor, now) == ES_FAULT_NONE) {
        sensor->recoveries++;
    }
}

/* The first attempt comes with the poll after the fault, the next ones after a rest each. */
static bool is_due(const es_sensor_t *sensor, uint64_t now) {
    return sensor->tried < sensor->heard || now - sensor->tried >= sensor->rest;
}

uint32_t es_sensor_poll(es_sensor_t *sensor, uint64_t now, void *samples, uint32_t room) {
    uint32_t count = 0;

    sensor->has_gap = false;
    if (sensor->state == ES_SENSOR_DOWN && is_due(sensor, now)) {
        recover(sensor, now);
    }
    if (sensor->state != ES_SENSOR_RUNNING || room == 0) {
        return 0;
    }
    const es_fault_t fault = sensor->driver->poll(sensor, samples, room, &count);
    if (!goes_on(fault)) {
        fail(sensor, fault);
        return 0;
    }
    note(sensor, fault);
    if (count > 0) {
        sensor->has_gap = sensor->must_say;
        sensor->must_say = false;
        sensor->heard = now;
        sensor->samples += count;
    } else if (sensor->silence > 0 && now - sensor->heard >= sensor->silence) {
        fail(sensor, ES_FAULT_HUNG);
    }
    return count;
}

const char *es_fault_text(es_fault_t fault) {
    static const char *const texts[] = {
        [ES_FAULT_NONE] = "none",
        [ES_FAULT_ABSENT] = "this build has no such bus",
        [ES_FAULT_SETUP] = "cannot be set up like this",
        [ES_FAULT_NAK] = "not acknowledged",
        [ES_FAULT_STUCK] = "the bus is stuck",
        [ES_FAULT_IDENTITY] = "another device answers",
        [ES_FAULT_HUNG] = "no sample in time",
        [ES_FAULT_OVERRUN] = "samples were lost",
        [ES_FAULT_GAP] = "rows are missing",
    };
    const uint32_t index = (uint32_t)fault;
    return index < sizeof texts / sizeof *texts ? texts[index] : "unknown";
}

typedef struct line {
    char *text;
    uint32_t bytes, length;
} line_t;

static void add(line_t *line, const char *text) {
    for (; *text != '\0' && line->length + 1 < line->bytes; text++) {
        line->text[line->length++] = *text;
    }
}

static void add_number(line_t *line, const char *name, uint32_t value) {
    char digits[11];
    char *at = &digits[sizeof digits - 1];
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    add(line, name);
    add(line, at);
}

uint32_t es_sensor_report(const es_sensor_t *sensor, char *text, uint32_t bytes) {
    static const char *const states[] = {"stopped", "running", "down", "dead"};
    line_t line = {text, bytes, 0};

    add(&line, sensor->driver->name);
    add(&line, ": ");
    add(&line, states[sensor->state]);
    add_number(&line, ", samples ", sensor->samples);
    add_number(&line, ", lost ", sensor->lost);
    add_number(&line, ", faults ", sensor->faults);
    add_number(&line, ", recoveries ", sensor->recoveries);
    add(&line, ", last fault: ");
    add(&line, es_fault_text(sensor->fault));
    if (bytes > 0) {
        text[line.length] = '\0';
    }
    return line.length;
}

/* The samples that the next window begins with go to its start. */
static void begin_next(es_window_t *window, uint32_t sample_bytes) {
    uint8_t *bytes = window->into;
    memmove(bytes, bytes + (size_t)(window->samples - window->keep) * sample_bytes,
            (size_t)window->keep * sample_bytes);
    window->filled = window->keep;
    window->is_whole = false;
}

bool es_window_poll(es_window_t *window, uint64_t now) {
    es_sensor_t *sensor = window->sensor;
    uint8_t *bytes = window->into;

    if (window->is_whole) {
        begin_next(window, es_sensor_sample_bytes(sensor));
    }
    while (window->filled < window->samples) {
        /* A stopped sensor has no format yet: it delivers nothing either. */
        const size_t sample_bytes = es_sensor_sample_bytes(sensor);
        uint8_t *end = bytes + window->filled * sample_bytes;
        const uint32_t count = es_sensor_poll(sensor, now, end, window->samples - window->filled);
        if (count == 0) {
            return false;
        }
        if (sensor->has_gap && window->filled > 0) {
            memmove(bytes, end, count * sample_bytes);
            window->filled = 0;
            window->broken++;
        }
        window->filled += count;
    }
    window->is_whole = true;
    return true;
}

bool es_window_feed(es_window_t *window, es_loop_t *loop, uint64_t now) {
    if (!es_window_poll(window, now)) {
        return false;
    }
    uint8_t *place = es_loop_place(loop);
    if (place != NULL) {
        memcpy(place, window->into,
               (size_t)window->samples * es_sensor_sample_bytes(window->sensor));
    }
    (void)es_loop_arrived(loop, now);
    return true;
}
