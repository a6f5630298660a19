/* Arm's SBCon: two lines that a program sets, clears and reads. Bit by bit, run in QEMU alone.
 *
 * The lines are open drain: set lets go of one, clear pulls it down, and a read says what it is. */
#include "es_bus.h"
#include "es_port.h"

#include "board.h"

#ifdef BOARD_I2C

typedef struct sbcon {
    volatile uint32_t set, clear;
} sbcon_t;

#define LINES ((sbcon_t *)BOARD_I2C)

enum { SCL = 1, SDA = 2, STRETCH_US = 1000, MICROSECONDS = 1000000, CLOCKS = 9 };

static uint32_t half_ticks;

static void wait_half(void) {
    const uint64_t begin = es_port_ticks();
    while (es_port_ticks() - begin < half_ticks) {
    }
}

static void pull(uint32_t lines) {
    LINES->clear = lines;
    wait_half();
}

static void release(uint32_t lines) {
    LINES->set = lines;
    wait_half();
}

/* A device may hold the clock down for a while. */
static es_fault_t raise_clock(void) {
    const uint64_t begin = es_port_ticks();
    const uint64_t most = (uint64_t)STRETCH_US * es_port_ticks_hz() / MICROSECONDS;

    release(SCL);
    while ((LINES->set & SCL) == 0) {
        if (es_port_ticks() - begin > most) {
            return ES_FAULT_STUCK;
        }
    }
    return ES_FAULT_NONE;
}

/* Also a repeated one: the clock is low or high before it. */
static es_fault_t begin_transfer(void) {
    release(SDA);
    const es_fault_t fault = raise_clock();
    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    if ((LINES->set & SDA) == 0) {
        return ES_FAULT_STUCK;
    }
    pull(SDA);
    pull(SCL);
    return ES_FAULT_NONE;
}

static es_fault_t end_transfer(void) {
    pull(SDA);
    const es_fault_t fault = raise_clock();
    release(SDA);
    return fault;
}

static es_fault_t move_bit(uint32_t out, uint32_t *in) {
    if (out) {
        release(SDA);
    } else {
        pull(SDA);
    }
    const es_fault_t fault = raise_clock();
    *in = (LINES->set & SDA) != 0;
    pull(SCL);
    return fault;
}

static es_fault_t send(uint8_t byte) {
    uint32_t bit;
    for (int shift = 7; shift >= 0; shift--) {
        const es_fault_t fault = move_bit(byte >> shift & 1, &bit);
        if (fault != ES_FAULT_NONE) {
            return fault;
        }
    }
    const es_fault_t fault = move_bit(1, &bit);
    return fault != ES_FAULT_NONE ? fault : bit ? ES_FAULT_NAK : ES_FAULT_NONE;
}

static es_fault_t receive(uint8_t *byte, uint32_t is_last) {
    uint32_t bit, value = 0;
    for (int i = 0; i < 8; i++) {
        const es_fault_t fault = move_bit(1, &bit);
        if (fault != ES_FAULT_NONE) {
            return fault;
        }
        value = value << 1 | bit;
    }
    *byte = (uint8_t)value;
    return move_bit(is_last, &bit);
}

static es_fault_t send_all(uint8_t address, const uint8_t *bytes, uint32_t count) {
    es_fault_t fault = begin_transfer();
    if (fault == ES_FAULT_NONE) {
        fault = send((uint8_t)(address << 1));
    }
    for (uint32_t i = 0; fault == ES_FAULT_NONE && i < count; i++) {
        fault = send(bytes[i]);
    }
    return fault;
}

/* A stop ends what went wrong as well; the first fault is told. */
static es_fault_t ended(es_fault_t fault) {
    const es_fault_t stop = end_transfer();
    return fault != ES_FAULT_NONE ? fault : stop;
}

static es_fault_t start(void *context, uint32_t hz) {
    (void)context;
    if (hz == 0) {
        return ES_FAULT_SETUP;
    }
    half_ticks = (es_port_ticks_hz() + 2 * hz - 1) / (2 * hz);
    release(SCL | SDA);
    return ES_FAULT_NONE;
}

static es_fault_t write(void *context, uint8_t address, const uint8_t *bytes, uint32_t count) {
    (void)context;
    return ended(send_all(address, bytes, count));
}

static es_fault_t read(void *context, uint8_t address, uint8_t first, uint8_t *bytes,
                       uint32_t count) {
    (void)context;
    es_fault_t fault = send_all(address, &first, 1);
    if (fault == ES_FAULT_NONE) {
        fault = begin_transfer();
    }
    if (fault == ES_FAULT_NONE) {
        fault = send((uint8_t)(address << 1 | 1));
    }
    for (uint32_t i = 0; fault == ES_FAULT_NONE && i < count; i++) {
        fault = receive(&bytes[i], i + 1 == count);
    }
    return ended(fault);
}

/* A device in the middle of a byte holds SDA until it has been clocked out. */
static es_fault_t unstick(void *context) {
    (void)context;
    release(SDA);
    for (int i = 0; i < CLOCKS && (LINES->set & SDA) == 0; i++) {
        pull(SCL);
        const es_fault_t fault = raise_clock();
        if (fault != ES_FAULT_NONE) {
            return fault;
        }
    }
    return ended((LINES->set & SDA) == 0 ? ES_FAULT_STUCK : ES_FAULT_NONE);
}

static const es_i2c_t bus = {
    .start = start, .write = write, .read = read, .unstick = unstick, .most_bytes = UINT32_MAX};

const es_i2c_t *es_port_i2c(uint32_t index) {
    return index == 0 ? &bus : (const es_i2c_t *)0;
}

#endif
