/* Rows from a camera: in order, whole frames or none. */
#include "es_camera.h"

#include <stddef.h>
#include <string.h>

static uint32_t seen(const uint32_t *count) {
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

uint32_t es_camera_row_bytes(const es_camera_t *camera) {
    return camera->width * (camera->pixels == ES_PIXELS_GRAY8 ? 1 : 2);
}

/* The producer's side: one at a time, an interrupt's or poll()'s. */
static int take_row(void *context, uint32_t y, const uint8_t *bytes, uint32_t count) {
    es_camera_t *camera = context;
    const uint32_t row_bytes = es_camera_row_bytes(camera), put = camera->put;

    if (put - seen(&camera->taken) == camera->depth) {
        return 0;
    }
    if (count != row_bytes || y >= camera->height) {
        return 1; /* no row of this frame: it will be missed */
    }
    memcpy(&camera->ring[(size_t)(put % camera->depth) * row_bytes], bytes, row_bytes);
    camera->numbers[put % camera->depth] = y;
    __atomic_store_n(&camera->put, put + 1, __ATOMIC_RELEASE);
    return 1;
}

static es_fault_t start(es_sensor_t *sensor) {
    es_camera_t *camera = (es_camera_t *)sensor;

    if (camera->bus == NULL) {
        return ES_FAULT_ABSENT;
    }
    if (camera->width == 0 || camera->height == 0 || camera->depth == 0 ||
        (camera->depth & (camera->depth - 1)) != 0 || camera->ring == NULL ||
        camera->numbers == NULL) {
        return ES_FAULT_SETUP;
    }
    camera->put = camera->taken = camera->next = 0;
    camera->is_aligned = false;
    camera->sink = (es_rows_in_t){camera, take_row};
    sensor->format = (es_sensor_format_t){1, es_camera_row_bytes(camera), 0};
    return camera->bus->start(camera->bus->context, camera->width, camera->height, camera->pixels,
                              &camera->sink);
}

/* Rows that are missing in front of row `y`: a whole frame more is not seen. */
static uint32_t missing(const es_camera_t *camera, uint32_t y) {
    return y > camera->next ? y - camera->next : camera->height - camera->next + y;
}

static es_fault_t poll(es_sensor_t *sensor, void *samples, uint32_t room, uint32_t *count) {
    es_camera_t *camera = (es_camera_t *)sensor;
    const uint32_t row_bytes = es_camera_row_bytes(camera);
    es_fault_t fault =
        camera->bus->poll != NULL ? camera->bus->poll(camera->bus->context) : ES_FAULT_NONE;

    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    while (*count < room && camera->taken != seen(&camera->put)) {
        const uint32_t at = camera->taken % camera->depth, y = camera->numbers[at];
        if (camera->is_aligned && y != camera->next) {
            if (*count > 0) {
                break; /* the gap is in front of the next poll's rows */
            }
            fault = ES_FAULT_GAP;
            sensor->lost += missing(camera, y);
            camera->broken++;
            camera->is_aligned = false;
        }
        if (camera->is_aligned || y == 0) {
            memcpy((uint8_t *)samples + (size_t)*count * row_bytes,
                   &camera->ring[(size_t)at * row_bytes], row_bytes);
            camera->is_aligned = true;
            camera->next = (y + 1) % camera->height;
            *count += 1;
        }
        __atomic_store_n(&camera->taken, camera->taken + 1, __ATOMIC_RELEASE);
    }
    return fault;
}

static void stop(es_sensor_t *sensor) {
    const es_camera_t *camera = (es_camera_t *)sensor;
    camera->bus->stop(camera->bus->context);
}

const es_driver_t es_camera_driver = {"camera", start, poll, stop, NULL};

/* Row `y` to `into`; false when it does not come. */
static bool fetch(const es_camera_source_t *source, uint32_t y, uint8_t *into) {
    es_camera_t *camera = source->camera;
    const uint64_t begin = source->now();

    do {
        if (es_sensor_poll(&camera->sensor, source->now(), into, 1) == 1) {
            const uint32_t came = (camera->next + camera->height - 1) % camera->height;
            if (came == y) {
                return true;
            }
            if (y != 0) {
                return false; /* row 0 of the next frame: this one is torn */
            }
        }
    } while (source->now() - begin < source->patience);
    return false;
}

static void feed(void *context, uint32_t input, uint32_t y0, uint32_t y1, const es_rows_t *in) {
    es_camera_source_t *source = context;
    const uint32_t row_bytes = in->w * in->c * in->element_bytes;

    (void)input;
    if (y0 == 0) {
        source->is_torn = row_bytes != es_camera_row_bytes(source->camera);
    }
    for (uint32_t y = y0; y < y1; y++) {
        uint8_t *row = es_row(in, y);
        if (!source->is_torn && fetch(source, y, row)) {
            for (uint32_t i = 0; i < row_bytes; i++) {
                row[i] ^= 0x80;
            }
            continue;
        }
        source->is_torn = true;
        memset(row, 0, row_bytes);
    }
}

void es_camera_source_start(es_camera_source_t *source) {
    source->source = (es_source_t){source, feed};
}
