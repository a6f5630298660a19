/* Motion sensors on an I2C bus, each described by its registers.
 *
 *     static es_imu_t imu = {.sensor.driver = &es_imu_driver, .chip = &es_lsm6dsox};
 *     imu.bus = es_port_i2c(0);
 *
 * A sample is int16 axes as the chip has them: acceleration x, y, z and rotation x, y, z, or a
 * field. `chip` says what a step is. With `fifo` the chip keeps samples until they are taken;
 * without, one that is not taken within its period is lost unseen, as the chip does not tell. */
#ifndef ES_IMU_H
#define ES_IMU_H

#include "es_sensor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ES_IMU_MOST_AXES 6u

/* A write to a register. The bits of `until` clear themselves before the next one. */
typedef struct es_imu_write {
    uint8_t address, value, until;
} es_imu_write_t;

typedef struct es_imu_writes {
    const es_imu_write_t *list;
    uint32_t count;
} es_imu_writes_t;

typedef enum es_imu_order { ES_IMU_LOW_FIRST, ES_IMU_HIGH_FIRST } es_imu_order_t;

typedef struct es_imu_fifo {
    es_imu_writes_t writes;   /* on top of the chip's own */
    es_imu_writes_t clear;    /* after it has run over */
    uint8_t level;            /* register of its fill level, of two bytes in `order` */
    es_imu_order_t order;     /* of the level */
    uint16_t level_mask;      /* of both bytes */
    uint8_t words_of_sample;  /* what the level grows by in a sample */
    uint8_t overrun, is_over; /* register and bits that tell of an overrun */
    uint8_t data;             /* register; a read goes on in the FIFO */
    uint8_t sample_bytes;     /* that a sample is read as */
    /* Tagged words: each of the sample's two words has a byte in front of it, whose upper five bits
     * say what it is; 0: no tags, axes lie as in the data registers of the chip. */
    uint8_t tags[2]; /* of words with source axes 0..2 and 3..5 */
} es_imu_fifo_t;

typedef struct es_imu_chip {
    const char *name;
    uint8_t address;                /* as its pin leaves it */
    uint8_t identity, identity_is;  /* register and what it holds */
    es_imu_writes_t writes;         /* range and rate */
    es_imu_writes_t sleep;          /* when it is stopped */
    uint8_t status, is_new;         /* register and bits that are all set when a sample is new */
    uint8_t data[2];                /* first register of each run of data */
    uint8_t data_bytes[2];          /* 0: no second run */
    es_imu_order_t order;           /* of a value */
    uint8_t axes;                   /* of a sample */
    uint8_t from[ES_IMU_MOST_AXES]; /* where axis i lies among the values that are read */
    uint8_t shift;                  /* to the left: a value is then as wide as int16 */
    uint32_t bus_hz;                /* the most that its bus may be */
    uint32_t rate_mhz;
    const es_imu_fifo_t *fifo; /* null where it has none, or it is not described */
    uint32_t step_ug;   /* what a step of acceleration is, millionths of g; 0 where there is none */
    uint32_t step_udps; /* of rotation, millionths of a degree a second */
    uint32_t step_pt;   /* of a magnetic field, 10^-12 tesla */
} es_imu_chip_t;

typedef struct es_imu {
    es_sensor_t sensor;
    const es_imu_chip_t *chip;
    const es_i2c_t *bus;
    uint8_t address; /* 0: the chip's own */
    uint8_t axes;    /* the first so many of the chip's; 0: all */
    bool fifo;       /* use it */
} es_imu_t;

extern const es_driver_t es_imu_driver;

/* firmware/sensors/es_imu_chips.c names the source of every register. */
extern const es_imu_chip_t es_lsm6dsox;    /* Nano RP2040 Connect */
extern const es_imu_chip_t es_lsm6ds3;     /* Nano 33 IoT, Uno WiFi Rev2 */
extern const es_imu_chip_t es_lsm6ds3tr_c; /* XIAO nRF52840 Sense */
extern const es_imu_chip_t es_lsm9ds1;     /* Nano 33 BLE (Sense), first revision */
extern const es_imu_chip_t es_mpu6050;
extern const es_imu_chip_t es_mpu6500;
extern const es_imu_chip_t es_lsm303dlhc_mag; /* three axes of a magnetic field */

#ifdef __cplusplus
}
#endif

#endif
