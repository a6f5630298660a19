/* An application that runs the drivers on an emulated board's own buses, one letter a trial. */
#include "es_imu.h"
#include "es_port.h"
#include "es_sampled.h"

#include <stddef.h>
#include <string.h>

enum { HALF = 64, RATE = 10000, TAKEN = 96 };

static void say(const char *text) {
    for (; *text != '\0'; text++) {
        es_port_write(*text);
    }
}

static void say_number(int32_t value) {
    char digits[12];
    char *at = &digits[sizeof digits - 1];
    uint32_t left = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;

    *at = '\0';
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    say(value < 0 ? " -" : " ");
    say(at);
}

static void say_report(const es_sensor_t *sensor) {
    char line[160];
    (void)es_sensor_report(sensor, line, sizeof line);
    say(line);
    say("\r\n");
}

static es_imu_t magnetometer = {.sensor.driver = &es_imu_driver, .chip = &es_lsm303dlhc_mag};
/* The same bus, an address at which nobody answers, and a chip that is another one. */
static es_imu_t nobody = {.sensor.driver = &es_imu_driver, .chip = &es_lsm6dsox};
static es_imu_t another = {.sensor.driver = &es_imu_driver, .chip = &es_lsm6dsox, .address = 0x1E};

static int16_t halves[2 * HALF];
static es_sampled_t adc = {
    .sensor.driver = &es_adc_driver,
    .sampling = {.rate_hz = RATE, .channel = 1, .samples = halves, .half = HALF},
};

static void start(es_sensor_t *sensor) {
    (void)es_sensor_start(sensor, es_port_ticks());
    say_report(sensor);
}

static void read_axes(void) {
    int16_t axes[3] = {0};
    const uint32_t count = es_sensor_poll(&magnetometer.sensor, es_port_ticks(), axes, 1);

    say("axes");
    say_number((int32_t)count);
    for (int i = 0; i < 3; i++) {
        say_number(axes[i]);
    }
    say("\r\n");
}

/* Samples one after the other, and how long they took in ticks of the clock for each. */
static void take_samples(void) {
    int16_t samples[TAKEN];
    es_window_t window = {.sensor = &adc.sensor, .into = samples, .samples = TAKEN};
    uint64_t begin;

    (void)es_sensor_start(&adc.sensor, es_port_ticks());
    begin = es_port_ticks();
    while (!es_window_poll(&window, es_port_ticks())) {
    }
    const uint64_t took = es_port_ticks() - begin;
    es_sensor_stop(&adc.sensor);
    say("samples");
    for (uint32_t i = 0; i < TAKEN; i++) {
        say_number(samples[i]);
    }
    /* The second half was there when 2 * HALF samples were. */
    say(", ticks a sample");
    say_number((int32_t)(took / (2 * HALF)));
    say(", rate");
    say_number((int32_t)adc.sampling.actual_mhz);
    say("\r\n");
}

/* The loop sleeps through three halves and more. */
static void come_too_late(void) {
    int16_t samples[HALF];
    const uint64_t begin = es_port_ticks();
    uint32_t count;

    (void)es_sensor_start(&adc.sensor, begin);
    while (es_port_ticks() - begin < (uint64_t)es_port_ticks_hz() / RATE * HALF * 7 / 2) {
    }
    count = es_sensor_poll(&adc.sensor, es_port_ticks(), samples, HALF);
    es_sensor_stop(&adc.sensor);
    say("late");
    say_number((int32_t)count);
    say_number((int32_t)adc.sensor.lost);
    say_number(adc.sensor.fault == ES_FAULT_OVERRUN);
    say_number(samples[0]);
    say("\r\n");
}

void es_main(void) {
    es_port_start();
    magnetometer.bus = nobody.bus = another.bus = es_port_i2c(0);
    adc.sampler = es_port_adc(0);
    say("ready\r\n");
    for (;;) {
        switch (es_port_read(ES_PORT_FOREVER)) {
        case 'm':
            start(&magnetometer.sensor);
            break;
        case 'r':
            read_axes();
            break;
        case 'e':
            es_sensor_stop(&magnetometer.sensor);
            say_report(&magnetometer.sensor);
            break;
        case 'n':
            start(&nobody.sensor);
            break;
        case 'w':
            start(&another.sensor);
            break;
        case 'a':
            take_samples();
            break;
        case 'l':
            come_too_late();
            break;
        case 'f':
            adc.sampling.rate_hz = 100000000;
            start(&adc.sensor);
            adc.sampling.rate_hz = RATE;
            break;
        }
    }
}
