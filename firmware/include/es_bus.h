/* What drivers of sensors ask of a board: four kinds of buses, each a const struct of functions.
 *
 * A port defines those of the functions at the end that it can. sensors/es_no_bus.c stands in for
 * the others with a null pointer, which a driver answers with ES_FAULT_ABSENT. Nothing allocates
 * but what a vendor's own framework does in `start`. docs/SENSORS.md tells the contract. */
#ifndef ES_BUS_H
#define ES_BUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum es_fault {
    ES_FAULT_NONE = 0,
    ES_FAULT_ABSENT,   /* this build's port has no such bus */
    ES_FAULT_SETUP,    /* asked for what the bus or the driver cannot do */
    ES_FAULT_NAK,      /* nobody acknowledged */
    ES_FAULT_STUCK,    /* a line is held, or the transfer did not end in time */
    ES_FAULT_IDENTITY, /* another device answers at the address */
    ES_FAULT_HUNG,     /* no sample came in time */
    ES_FAULT_OVERRUN,  /* samples were lost, as nobody took them in time */
    ES_FAULT_GAP,      /* rows of a frame are missing */
} es_fault_t;

/* Two wires. The calls wait until the transfer is over, which takes bytes * 9 bits of the clock, or
 * until the bus's own timeout. None may be called from an interrupt. */
typedef struct es_i2c {
    void *context;
    /* `hz` is the most that the clock may be. May be called again, to recover. */
    es_fault_t (*start)(void *context, uint32_t hz);
    /* bytes[0] is the register, the others go to it and those after it. */
    es_fault_t (*write)(void *context, uint8_t address, const uint8_t *bytes, uint32_t count);
    /* From register `first` on, with a repeated start in between. 1 <= count <= most_bytes. */
    es_fault_t (*read)(void *context, uint8_t address, uint8_t first, uint8_t *bytes,
                       uint32_t count);
    /* Frees a line that a device holds: up to nine clocks and a stop. Null where it cannot. */
    es_fault_t (*unstick)(void *context);
    uint32_t most_bytes;
} es_i2c_t;

/* The two halves of a buffer: an interrupt or DMA fills one while the program takes the other. One
 * producer, one consumer; neither masks the other. Memory is the caller's. */
typedef struct es_halves {
    int16_t *samples; /* 2 * half of them */
    uint32_t half;
    uint32_t at;     /* the producer's: how much of its half is there */
    uint32_t filled; /* the producer's: halves done so far, wrapping */
    uint32_t taken;  /* the consumer's: halves taken or lost so far, wrapping */
    uint32_t used;   /* the consumer's: how much of its half is taken */
} es_halves_t;

void es_halves_start(es_halves_t *halves, int16_t *samples, uint32_t half);
/* Of the producer, sample by sample: from an interrupt of its own. */
void es_halves_put(es_halves_t *halves, int16_t sample);
/* Of the producer: the half that DMA was filling is whole; it goes on in the other one. */
void es_halves_done(es_halves_t *halves);
/* Of the consumer: up to `room` samples that follow each other; how many. `lost` counts those that
 * were overwritten in front of the first of them. */
uint32_t es_halves_take(es_halves_t *halves, int16_t *into, uint32_t room, uint32_t *lost);

typedef struct es_sampling {
    uint32_t rate_hz;
    uint32_t channel;     /* of the ADC: as the port counts them; of a microphone: 0 is left */
    int16_t *samples;     /* 2 * half, the caller's, until `stop` */
    uint32_t half;        /* samples of a half: how much is handed over at once */
    uint32_t actual_mhz;  /* what the bus made of rate_hz, in 1/1000 Hz: written by `start` */
    uint32_t sample_bits; /* what a sample has: 12 of an ADC, 16 of a microphone: by `start` */
} es_sampling_t;

/* An ADC, or a microphone by PDM or I2S: samples of one channel at a steady rate. */
typedef struct es_sampler {
    void *context;
    es_fault_t (*start)(void *context, es_sampling_t *sampling);
    /* Never waits; the same as es_halves_take(). Called often: some buses convert only here. */
    uint32_t (*take)(void *context, int16_t *into, uint32_t room, uint32_t *lost);
    void (*stop)(void *context);
} es_sampler_t;

/* Where a camera's rows go: firmware/sensors/es_camera.h. */
typedef struct es_rows_in {
    void *context;
    /* Row `y` of the frame, from an interrupt or from `poll`. 0 when there is no room: an interrupt
     * loses the row, `poll` offers it again. */
    int (*row)(void *context, uint32_t y, const uint8_t *bytes, uint32_t count);
} es_rows_in_t;

typedef enum es_pixels { ES_PIXELS_GRAY8, ES_PIXELS_RGB565, ES_PIXELS_YUYV } es_pixels_t;

typedef struct es_camera_bus {
    void *context;
    /* Frames of width * height. `sink` must outlive the camera. */
    es_fault_t (*start)(void *context, uint32_t width, uint32_t height, es_pixels_t pixels,
                        const es_rows_in_t *sink);
    /* Hands over the rows that are there; null where an interrupt does. */
    es_fault_t (*poll)(void *context);
    void (*stop)(void *context);
} es_camera_bus_t;

/* Null where this build has none. `index` counts the board's buses of the kind. */
const es_i2c_t *es_port_i2c(uint32_t index);
const es_sampler_t *es_port_adc(uint32_t index);
const es_sampler_t *es_port_microphone(uint32_t index);
const es_camera_bus_t *es_port_camera(uint32_t index);

#ifdef __cplusplus
}
#endif

#endif
