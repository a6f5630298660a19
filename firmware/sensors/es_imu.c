/* What a description of registers makes of a bus: identity, setup, bursts of samples. */
#include "es_imu.h"

#include <stddef.h>
#include <string.h>

enum {
    MOST_SAMPLE_BYTES = 16,
    PATIENCE = 1000, /* reads of a register until bits must have cleared themselves */
};

static uint8_t address_of(const es_imu_t *imu) {
    return imu->address != 0 ? imu->address : imu->chip->address;
}

static es_fault_t get(const es_imu_t *imu, uint8_t first, uint8_t *bytes, uint32_t count) {
    return imu->bus->read(imu->bus->context, address_of(imu), first, bytes, count);
}

static es_fault_t put(const es_imu_t *imu, const es_imu_write_t *write) {
    const uint8_t bytes[] = {write->address, write->value};
    es_fault_t fault = imu->bus->write(imu->bus->context, address_of(imu), bytes, sizeof bytes);
    uint8_t left = write->until;

    for (uint32_t i = 0; fault == ES_FAULT_NONE && left != 0; i++) {
        fault = i == PATIENCE ? ES_FAULT_HUNG : get(imu, write->address, &left, 1);
        left &= write->until;
    }
    return fault;
}

static es_fault_t put_all(const es_imu_t *imu, es_imu_writes_t writes) {
    es_fault_t fault = ES_FAULT_NONE;
    for (uint32_t i = 0; fault == ES_FAULT_NONE && i < writes.count; i++) {
        fault = put(imu, &writes.list[i]);
    }
    return fault;
}

static es_fault_t identify(const es_imu_t *imu) {
    uint8_t told = 0;
    const es_fault_t fault = get(imu, imu->chip->identity, &told, 1);
    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    return told == imu->chip->identity_is ? ES_FAULT_NONE : ES_FAULT_IDENTITY;
}

static uint8_t axes_of(const es_imu_t *imu) {
    return imu->axes != 0 ? imu->axes : imu->chip->axes;
}

static bool fits(const es_imu_t *imu) {
    const es_imu_chip_t *chip = imu->chip;
    const uint32_t bytes = (uint32_t)chip->data_bytes[0] + chip->data_bytes[1];
    const uint32_t in_fifo = imu->fifo && chip->fifo != NULL ? chip->fifo->sample_bytes : 0;

    return bytes <= MOST_SAMPLE_BYTES && in_fifo <= MOST_SAMPLE_BYTES &&
           chip->data_bytes[0] <= imu->bus->most_bytes &&
           chip->data_bytes[1] <= imu->bus->most_bytes && in_fifo <= imu->bus->most_bytes &&
           chip->axes <= ES_IMU_MOST_AXES && axes_of(imu) <= chip->axes &&
           (!imu->fifo || chip->fifo != NULL);
}

static es_fault_t start(es_sensor_t *sensor) {
    const es_imu_t *imu = (es_imu_t *)sensor;
    const es_imu_chip_t *chip = imu->chip;

    if (imu->bus == NULL) {
        return ES_FAULT_ABSENT;
    }
    if (!fits(imu)) {
        return ES_FAULT_SETUP;
    }
    sensor->format = (es_sensor_format_t){2, axes_of(imu), chip->rate_mhz};
    es_fault_t fault = imu->bus->start(imu->bus->context, chip->bus_hz);
    if (fault == ES_FAULT_NONE) {
        fault = identify(imu);
    }
    if (fault == ES_FAULT_NONE) {
        fault = put_all(imu, chip->writes);
    }
    if (fault == ES_FAULT_NONE && imu->fifo) {
        fault = put_all(imu, chip->fifo->writes);
    }
    return fault;
}

static int16_t value_at(const uint8_t *bytes, es_imu_order_t order) {
    const uint32_t low = bytes[order == ES_IMU_LOW_FIRST ? 0 : 1];
    const uint32_t high = bytes[order == ES_IMU_LOW_FIRST ? 1 : 0];
    return (int16_t)(uint16_t)(high << 8 | low);
}

/* From the bytes of the data registers to axes. */
static void scale(const es_imu_t *imu, const uint8_t *bytes, int16_t *axes) {
    const es_imu_chip_t *chip = imu->chip;

    for (uint32_t i = 0; i < axes_of(imu); i++) {
        const int32_t value = value_at(&bytes[2 * chip->from[i]], chip->order);
        axes[i] = (int16_t)(value * (1 << chip->shift));
    }
}

static es_fault_t poll_registers(const es_imu_t *imu, int16_t *axes, uint32_t *count) {
    const es_imu_chip_t *chip = imu->chip;
    uint8_t bytes[MOST_SAMPLE_BYTES];
    uint8_t status = 0;

    es_fault_t fault = get(imu, chip->status, &status, 1);
    if (fault != ES_FAULT_NONE || (status & chip->is_new) != chip->is_new) {
        return fault;
    }
    fault = get(imu, chip->data[0], bytes, chip->data_bytes[0]);
    if (fault == ES_FAULT_NONE && chip->data_bytes[1] > 0) {
        fault = get(imu, chip->data[1], &bytes[chip->data_bytes[0]], chip->data_bytes[1]);
    }
    if (fault == ES_FAULT_NONE) {
        scale(imu, bytes, axes);
        *count = 1;
    }
    return fault;
}

/* A tagged sample's two words come in either order; false when they are not one of each. */
static bool untag(const es_imu_fifo_t *fifo, const uint8_t *tagged, uint8_t *bytes) {
    uint32_t there = 0;
    for (uint32_t word = 0; word < 2; word++) {
        const uint8_t *at = &tagged[word * 7];
        const uint32_t which = at[0] >> 3 == fifo->tags[0] ? 0 : 1;
        if (at[0] >> 3 != fifo->tags[which]) {
            return false;
        }
        memcpy(&bytes[which * 6], &at[1], 6);
        there |= 1u << which;
    }
    return there == 3;
}

static es_fault_t fifo_sample(const es_imu_t *imu, int16_t *axes) {
    const es_imu_fifo_t *fifo = imu->chip->fifo;
    uint8_t raw[MOST_SAMPLE_BYTES], bytes[MOST_SAMPLE_BYTES];
    const es_fault_t fault = get(imu, fifo->data, raw, fifo->sample_bytes);

    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    if (fifo->tags[0] == 0) {
        scale(imu, raw, axes);
        return ES_FAULT_NONE;
    }
    /* Words that do not make a sample: the pairs have shifted. */
    if (!untag(fifo, raw, bytes)) {
        return ES_FAULT_OVERRUN;
    }
    scale(imu, bytes, axes);
    return ES_FAULT_NONE;
}

/* How much was lost, only the chip would know. What is left may begin in the middle of a sample, so
 * that the FIFO starts anew. */
static es_fault_t run_over(es_imu_t *imu) {
    const es_fault_t fault = put_all(imu, imu->chip->fifo->clear);
    imu->sensor.lost++;
    return fault != ES_FAULT_NONE ? fault : ES_FAULT_OVERRUN;
}

static es_fault_t poll_fifo(es_imu_t *imu, int16_t *axes, uint32_t room, uint32_t *count) {
    const es_imu_chip_t *chip = imu->chip;
    const es_imu_fifo_t *fifo = chip->fifo;
    uint8_t status = 0, level[2];

    es_fault_t fault = get(imu, fifo->level, level, 2);
    if (fault == ES_FAULT_NONE) {
        fault = get(imu, fifo->overrun, &status, 1);
    }
    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    if ((status & fifo->is_over) != 0) {
        return run_over(imu);
    }
    const uint32_t words = (uint16_t)value_at(level, fifo->order) & fifo->level_mask;
    const uint32_t there = words / fifo->words_of_sample;
    const uint32_t wanted = there < room ? there : room;
    for (uint32_t i = 0; i < wanted; i++) {
        fault = fifo_sample(imu, &axes[i * axes_of(imu)]);
        if (fault == ES_FAULT_OVERRUN) {
            *count = 0; /* what was read before it is in front of the gap */
            return run_over(imu);
        }
        if (fault != ES_FAULT_NONE) {
            return fault;
        }
    }
    *count = wanted;
    return ES_FAULT_NONE;
}

static es_fault_t poll(es_sensor_t *sensor, void *samples, uint32_t room, uint32_t *count) {
    es_imu_t *imu = (es_imu_t *)sensor;
    return imu->fifo ? poll_fifo(imu, samples, room, count) : poll_registers(imu, samples, count);
}

static void stop(es_sensor_t *sensor) {
    const es_imu_t *imu = (es_imu_t *)sensor;
    if (imu->bus != NULL) {
        (void)put_all(imu, imu->chip->sleep);
    }
}

static void mend(es_sensor_t *sensor) {
    const es_imu_t *imu = (es_imu_t *)sensor;
    if (imu->bus->unstick != NULL) {
        (void)imu->bus->unstick(imu->bus->context);
    }
}

const es_driver_t es_imu_driver = {"imu", start, poll, stop, mend};
