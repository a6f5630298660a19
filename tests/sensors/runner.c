/* Does to the drivers what it is told on standard input, over buses that are simulated here.
 *
 * The device on the I2C bus is 256 bytes and a FIFO; it knows no chip, so that what a description
 * of registers means is the test's to say. */
#include "es_camera.h"
#include "es_imu.h"
#include "es_sampled.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number(void) {
    uint64_t value;
    if (scanf("%" SCNu64, &value) != 1) {
        exit(2);
    }
    return value;
}

static void *memory(size_t bytes) {
    void *got = calloc(bytes == 0 ? 1 : bytes, 1); /* of exactly this size, for ASan */
    if (got == NULL) {
        exit(2);
    }
    return got;
}

static void say_sensor(const es_sensor_t *sensor) {
    printf("%d %d %u %u %u %u\n", (int)sensor->state, (int)sensor->fault, sensor->samples,
           sensor->lost, sensor->faults, sensor->recoveries);
}

/* The I2C bus. */

static struct {
    uint8_t address, registers[256];
    uint8_t fifo[4096];
    uint32_t fifo_head, fifo_tail;
    int fifo_register;
    uint32_t naks, stuck, starts, hz, unsticks, most;
    uint8_t written;             /* the register that was written last */
    uint32_t reads, clear_after; /* reads of it since, and after which it is zero; 0: never */
    bool mends;                  /* by clocks */
} device = {.fifo_register = -1, .most = 64, .clear_after = 2};

static es_fault_t trouble(uint8_t address) {
    if (device.stuck > 0) {
        device.stuck--;
        return ES_FAULT_STUCK;
    }
    if (device.naks > 0 || address != device.address) {
        device.naks -= device.naks > 0;
        return ES_FAULT_NAK;
    }
    return ES_FAULT_NONE;
}

static es_fault_t bus_start(void *context, uint32_t hz) {
    (void)context;
    device.starts++;
    device.hz = hz;
    return ES_FAULT_NONE;
}

static es_fault_t bus_write(void *context, uint8_t address, const uint8_t *bytes, uint32_t count) {
    (void)context;
    const es_fault_t fault = trouble(address);
    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    printf("write");
    for (uint32_t i = 0; i < count; i++) {
        printf(" %u", bytes[i]);
    }
    printf("\n");
    device.written = bytes[0], device.reads = 0;
    for (uint32_t i = 1; i < count; i++) {
        device.registers[(uint8_t)(bytes[0] + i - 1)] = bytes[i];
    }
    return ES_FAULT_NONE;
}

static es_fault_t bus_read(void *context, uint8_t address, uint8_t first, uint8_t *bytes,
                           uint32_t count) {
    (void)context;
    const es_fault_t fault = trouble(address);
    if (fault != ES_FAULT_NONE) {
        return fault;
    }
    if (count > device.most) {
        exit(3);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (first == device.fifo_register) {
            bytes[i] = device.fifo[device.fifo_tail++ % sizeof device.fifo];
        } else {
            bytes[i] = device.registers[(uint8_t)(first + i)];
        }
    }
    if (first == device.written && ++device.reads == device.clear_after) {
        device.registers[first] = 0;
    }
    return ES_FAULT_NONE;
}

static es_fault_t bus_unstick(void *context) {
    (void)context;
    device.unsticks++;
    device.stuck = device.mends ? 0 : device.stuck;
    return device.stuck > 0 ? ES_FAULT_STUCK : ES_FAULT_NONE;
}

static void run_imu(void) {
    const es_imu_chip_t *const chips[] = {&es_lsm6dsox, &es_lsm6ds3, &es_lsm6ds3tr_c,   &es_lsm9ds1,
                                          &es_mpu6050,  &es_mpu6500, &es_lsm303dlhc_mag};
    es_i2c_t bus = {.start = bus_start,
                    .write = bus_write,
                    .read = bus_read,
                    .unstick = bus_unstick,
                    .most_bytes = device.most};
    es_imu_t imu = {.sensor.driver = &es_imu_driver, .bus = &bus};
    imu.chip = chips[number()];
    imu.fifo = number() != 0;
    imu.sensor.silence = number();
    imu.sensor.rest = number();
    device.address = imu.chip->address;
    device.registers[imu.chip->identity] = imu.chip->identity_is;
    char what[8];
    while (scanf("%7s", what) == 1) {
        if (strcmp(what, "start") == 0) {
            printf("%d\n", (int)es_sensor_start(&imu.sensor, number()));
        } else if (strcmp(what, "poll") == 0) {
            const uint64_t now = number();
            const uint32_t room = (uint32_t)number();
            int16_t *axes = memory((size_t)room * imu.chip->axes * sizeof *axes);
            const uint32_t count = es_sensor_poll(&imu.sensor, now, axes, room);
            printf("%u %d", count, imu.sensor.has_gap);
            for (uint32_t i = 0; i < count * imu.chip->axes; i++) {
                printf(" %d", axes[i]);
            }
            printf("\n");
            free(axes);
        } else if (strcmp(what, "reg") == 0) {
            const uint8_t at = (uint8_t)number();
            device.registers[at] = (uint8_t)number();
        } else if (strcmp(what, "fifo") == 0) {
            device.fifo_register = (int)number();
            for (uint64_t left = number(); left > 0; left--) {
                device.fifo[device.fifo_head++ % sizeof device.fifo] = (uint8_t)number();
            }
        } else if (strcmp(what, "nak") == 0) {
            device.naks = (uint32_t)number();
        } else if (strcmp(what, "stuck") == 0) {
            device.stuck = (uint32_t)number();
            device.mends = number() != 0;
        } else if (strcmp(what, "busy") == 0) {
            device.clear_after = (uint32_t)number();
        } else if (strcmp(what, "most") == 0) {
            device.most = bus.most_bytes = (uint32_t)number();
        } else if (strcmp(what, "nobus") == 0) {
            imu.bus = NULL;
        } else if (strcmp(what, "stop") == 0) {
            es_sensor_stop(&imu.sensor);
        } else if (strcmp(what, "bus") == 0) {
            printf("%u %u %u\n", device.starts, device.hz, device.unsticks);
        } else if (strcmp(what, "say") == 0) {
            say_sensor(&imu.sensor);
        } else if (strcmp(what, "report") == 0) {
            for (uint32_t room = 0; room <= 140; room += 20) {
                char *text = memory(room);
                const uint32_t length = es_sensor_report(&imu.sensor, text, room);
                printf("%u:%.*s\n", length, (int)length, text);
                free(text);
            }
        } else {
            exit(2);
        }
    }
}

/* The sampler. */

static es_halves_t halves;
static uint32_t sampler_mhz;

static es_fault_t sampler_start(void *context, es_sampling_t *sampling) {
    (void)context;
    es_halves_start(&halves, sampling->samples, sampling->half);
    sampling->actual_mhz = sampler_mhz != 0 ? sampler_mhz : sampling->rate_hz * 1000;
    return ES_FAULT_NONE;
}

static uint32_t sampler_take(void *context, int16_t *into, uint32_t room, uint32_t *lost) {
    (void)context;
    return es_halves_take(&halves, into, room, lost);
}

static void sampler_stop(void *context) {
    (void)context;
}

static const es_sampler_t sampler = {
    .start = sampler_start, .take = sampler_take, .stop = sampler_stop};

/* Samples through a window into a loop: each frame that comes out, its first and last sample. */
static void run_sampled(void) {
    const uint32_t half = (uint32_t)number(), samples = (uint32_t)number();
    const uint32_t keep = (uint32_t)number();
    int16_t *into = memory(samples * sizeof *into);
    es_sampled_t sampled = {.sensor.driver = &es_microphone_driver,
                            .sampler = &sampler,
                            .sampling = {.rate_hz = 16000, .half = half}};
    es_window_t window = {
        .sensor = &sampled.sensor, .into = into, .samples = samples, .keep = keep};
    es_slot_t slots[2];
    es_loop_t loop;
    const es_loop_setup_t setup = {.slots = slots,
                                   .capacity = 2,
                                   .frames = memory(3 * samples * sizeof *into),
                                   .frame_bytes = samples * sizeof *into};
    es_loop_start(&loop, &setup);
    sampled.sampling.samples = memory(2 * half * sizeof(int16_t));
    sampled.middle = (int32_t)number();
    sampled.shift = (uint32_t)number();
    sampler_mhz = (uint32_t)number();
    sampled.sensor.silence = number();
    int16_t next = 0;
    char what[8];
    printf("%d\n", (int)es_sensor_start(&sampled.sensor, 0));
    while (scanf("%7s", what) == 1) {
        if (strcmp(what, "put") == 0) {
            for (uint64_t left = number(); left > 0; left--) {
                es_halves_put(&halves, next++);
            }
        } else if (strcmp(what, "feed") == 0) {
            const uint64_t now = number();
            while (es_window_feed(&window, &loop, now)) {
                const es_frame_t *frame = es_loop_begin(&loop, now);
                const int16_t *values = (const int16_t *)(const void *)frame->bytes;
                printf("frame %u:", frame->sequence);
                for (uint32_t i = 0; i < samples; i++) {
                    printf(" %d", values[i]);
                }
                printf("\n");
                es_loop_finish(&loop, now);
            }
            printf("broken %u\n", window.broken);
        } else {
            say_sensor(&sampled.sensor);
        }
    }
    free(into), free(setup.frames), free(sampled.sampling.samples);
}

/* A producer of its own, as fast as it can: what comes out must be in order, and all accounted for.
 */
enum { THREAD_HALF = 32, THREAD_SAMPLES = 2000000 };

static void *produce(void *context) {
    for (uint32_t i = 0; i < THREAD_SAMPLES; i++) {
        es_halves_put(context, (int16_t)(i & 0x7FFF));
    }
    return NULL;
}

static void run_thread(void) {
    static int16_t samples[2 * THREAD_HALF];
    es_halves_t shared;
    pthread_t thread;
    uint32_t at = 0, taken = 0, lost_at_all = 0;
    bool is_done = false;

    es_halves_start(&shared, samples, THREAD_HALF);
    if (pthread_create(&thread, NULL, produce, &shared) != 0) {
        exit(2);
    }
    while (at < THREAD_SAMPLES) {
        int16_t got[THREAD_HALF / 2 + 3];
        uint32_t lost = 0;
        const uint32_t count = es_halves_take(&shared, got, sizeof got / sizeof *got, &lost);
        at += lost;
        lost_at_all += lost;
        for (uint32_t i = 0; i < count; i++, at++) {
            if (got[i] != (int16_t)(at & 0x7FFF)) {
                printf("sample %u is %d\n", at, got[i]);
                exit(1);
            }
        }
        taken += count;
        if (count == 0 && !is_done) {
            is_done =
                __atomic_load_n(&shared.filled, __ATOMIC_ACQUIRE) == THREAD_SAMPLES / THREAD_HALF;
        } else if (count == 0) {
            break;
        }
    }
    pthread_join(thread, NULL);
    printf("%u %u %u\n", at, taken + lost_at_all, taken > 0);
}

/* The camera. */

static const es_rows_in_t *camera_sink;
static uint64_t clock_now;
static uint32_t pending[64], pending_count, pending_at, each_poll;

static es_fault_t camera_start(void *context, uint32_t width, uint32_t height, es_pixels_t pixels,
                               const es_rows_in_t *sink) {
    (void)context, (void)width, (void)height, (void)pixels;
    camera_sink = sink;
    return ES_FAULT_NONE;
}

static int put_row(uint32_t y, uint32_t count) {
    uint8_t bytes[256];
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(y * 10 + i);
    }
    return camera_sink->row(camera_sink->context, y, bytes, count);
}

/* Rows that wait are offered until there is no room. */
static es_fault_t camera_poll(void *context) {
    const uint32_t row_bytes = es_camera_row_bytes(context);
    for (uint32_t i = 0; i < each_poll && pending_at < pending_count; i++) {
        if (put_row(pending[pending_at], row_bytes) == 0) {
            break;
        }
        pending_at++;
    }
    clock_now++;
    return ES_FAULT_NONE;
}

static void camera_stop(void *context) {
    (void)context;
}

static uint64_t now(void) {
    return clock_now;
}

static void run_camera(void) {
    es_camera_t camera = {.sensor.driver = &es_camera_driver};
    camera.width = (uint32_t)number(), camera.height = (uint32_t)number();
    camera.depth = (uint32_t)number(), camera.pixels = (es_pixels_t)number();
    each_poll = (uint32_t)number();
    const es_camera_bus_t bus = {.context = &camera,
                                 .start = camera_start,
                                 .poll = each_poll > 0 ? camera_poll : NULL,
                                 .stop = camera_stop};
    camera.bus = &bus;
    const uint32_t row_bytes = es_camera_row_bytes(&camera);
    camera.ring = memory((size_t)camera.depth * row_bytes);
    camera.numbers = memory(camera.depth * sizeof *camera.numbers);
    uint8_t *frame = memory((size_t)camera.height * row_bytes * 4);
    es_window_t window = {.sensor = &camera.sensor, .into = frame, .samples = camera.height};
    char what[8];
    printf("%d\n", (int)es_sensor_start(&camera.sensor, 0));
    while (scanf("%7s", what) == 1) {
        if (strcmp(what, "row") == 0) {
            const uint32_t y = (uint32_t)number();
            printf("%d\n", put_row(y, (uint32_t)number()));
        } else if (strcmp(what, "wait") == 0) {
            pending_at = pending_count = 0;
            for (uint64_t left = number(); left > 0; left--) {
                pending[pending_count++] = (uint32_t)number();
            }
        } else if (strcmp(what, "window") == 0) {
            const bool is_whole = es_window_poll(&window, ++clock_now);
            printf("%d %u %u", is_whole, window.broken, camera.broken);
            for (uint32_t y = 0; is_whole && y < camera.height; y++) {
                printf(" %u", frame[y * row_bytes]);
            }
            printf("\n");
        } else if (strcmp(what, "feed") == 0) {
            es_camera_source_t source = {.camera = &camera, .now = now, .patience = number()};
            const uint32_t channels = (uint32_t)number(); /* up to 4 */
            es_rows_t in = {.base = frame,
                            .row_bytes = camera.width * channels,
                            .depth = camera.height,
                            .h = camera.height,
                            .w = camera.width,
                            .c = channels,
                            .element_bytes = 1};
            es_camera_source_start(&source);
            for (uint32_t y = 0; y < camera.height; y++) {
                source.source.rows(source.source.context, 0, y, y + 1, &in);
            }
            printf("%d", source.is_torn);
            for (uint32_t y = 0; y < camera.height; y++) {
                printf(" %d", (int8_t)frame[y * in.row_bytes]);
            }
            printf("\n");
        } else {
            say_sensor(&camera.sensor);
        }
    }
    free(camera.ring), free(camera.numbers), free(frame);
}

int main(int count, char **words) {
    if (count != 2) {
        return 2;
    }
    const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {
        {"imu", run_imu}, {"sampled", run_sampled}, {"thread", run_thread}, {"camera", run_camera}};
    for (uint32_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(words[1], modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    }
    return 2;
}
