/* A camera whose rows are handed over as they come.
 *
 * A sample is a row of width * (bytes of a pixel) bytes, and a window of `height` samples a frame:
 * after a gap the driver goes on with row 0 of the next one, so that no window holds parts of two.
 * Rows wait in a ring of the caller's; an interrupt or the bus's poll() fills it.
 *
 * A model that was planned to take its input row by row needs no frame at all: es_camera_source()
 * gives it the rows from the camera during es_run(). */
#ifndef ES_CAMERA_H
#define ES_CAMERA_H

#include "edgeserve.h"
#include "es_sensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct es_camera {
    es_sensor_t sensor;
    const es_camera_bus_t *bus;
    uint32_t width, height;
    es_pixels_t pixels;
    uint8_t *ring;     /* depth * width * (bytes of a pixel), the caller's */
    uint32_t *numbers; /* depth of them, the caller's: which row each is */
    uint32_t depth;    /* a power of two */
    /* Of the ring: rows put by the one side, and taken by the other, wrapping. */
    uint32_t put, taken;
    uint32_t next;   /* the row that must come next */
    uint32_t broken; /* frames with rows missing; sensor.lost counts the rows */
    bool is_aligned; /* false until a row 0 comes */
    es_rows_in_t sink;
} es_camera_t;

extern const es_driver_t es_camera_driver;

uint32_t es_camera_row_bytes(const es_camera_t *camera);

/* Rows of a model's input `input` straight from a camera of as many rows, each as long as the
 * camera's: pixels minus 128 for an int8 input, as its zero point of -128 and scale of 1/255 or 1
 * have it. Where a row does not come within `patience` ticks of `now`, or a gap tears the frame,
 * the rest of the run reads zeros; `is_torn` then says that its answer is void. */
typedef struct es_camera_source {
    es_camera_t *camera;
    uint64_t (*now)(void); /* es_port_ticks */
    uint64_t patience;
    bool is_torn;
    es_source_t source; /* for es_set_source() */
} es_camera_source_t;

/* Before es_set_source(), once. */
void es_camera_source_start(es_camera_source_t *source);

#ifdef __cplusplus
}
#endif

#endif
