/* The I2C master of ESP-IDF 5.2 and later as a bus for drivers. Compiled, never run on a board.
 *
 * ES_SENSORS=1 alone builds it, with BOARD_I2C_SDA and BOARD_I2C_SCL, the pins. The driver
 * allocates when it starts, and keeps one device: a transfer to another address takes that one's
 * place. */
#if ES_SENSORS

#include "es_bus.h"

#if __has_include("board.h")
#include "board.h"
#endif

#if defined(BOARD_I2C_SDA) && defined(BOARD_I2C_SCL)

#include <driver/i2c_master.h>
#include <stddef.h>

enum { TIMEOUT_MS = 20, GLITCH = 7, MOST_BYTES = 1024 };

static i2c_master_bus_handle_t bus;
static i2c_master_dev_handle_t device;
static uint32_t device_address, clock_hz;

/* What is not acknowledged is an invalid state up to 5.3, and an invalid response after it. */
static es_fault_t fault_of(esp_err_t error) {
    switch (error) {
    case ESP_OK:
        return ES_FAULT_NONE;
    case ESP_ERR_INVALID_STATE:
    case ESP_ERR_INVALID_RESPONSE:
        return ES_FAULT_NAK;
    case ESP_ERR_INVALID_ARG:
        return ES_FAULT_SETUP;
    default:
        return ES_FAULT_STUCK;
    }
}

static void forget_device(void) {
    if (device != NULL) {
        (void)i2c_master_bus_rm_device(device);
        device = NULL;
    }
}

static es_fault_t choose(uint32_t address) {
    const i2c_device_config_t config = {.dev_addr_length = I2C_ADDR_BIT_LEN_7,
                                        .device_address = (uint16_t)address,
                                        .scl_speed_hz = clock_hz};
    if (device != NULL && device_address == address) {
        return ES_FAULT_NONE;
    }
    forget_device();
    device_address = address;
    return fault_of(i2c_master_bus_add_device(bus, &config, &device));
}

static es_fault_t start(void *context, uint32_t hz) {
    const i2c_master_bus_config_t config = {.i2c_port = -1,
                                            .sda_io_num = BOARD_I2C_SDA,
                                            .scl_io_num = BOARD_I2C_SCL,
                                            .clk_source = I2C_CLK_SRC_DEFAULT,
                                            .glitch_ignore_cnt = GLITCH,
                                            .flags.enable_internal_pullup = 1};
    (void)context;
    forget_device();
    clock_hz = hz;
    return bus != NULL ? ES_FAULT_NONE : fault_of(i2c_new_master_bus(&config, &bus));
}

static es_fault_t write(void *context, uint8_t address, const uint8_t *bytes, uint32_t count) {
    (void)context;
    const es_fault_t fault = choose(address);
    return fault != ES_FAULT_NONE ? fault
                                  : fault_of(i2c_master_transmit(device, bytes, count, TIMEOUT_MS));
}

static es_fault_t read(void *context, uint8_t address, uint8_t first, uint8_t *bytes,
                       uint32_t count) {
    (void)context;
    const es_fault_t fault = choose(address);
    return fault != ES_FAULT_NONE
               ? fault
               : fault_of(i2c_master_transmit_receive(device, &first, 1, bytes, count, TIMEOUT_MS));
}

static es_fault_t unstick(void *context) {
    (void)context;
    return bus == NULL ? ES_FAULT_NONE : fault_of(i2c_master_bus_reset(bus));
}

static const es_i2c_t wires = {
    .start = start, .write = write, .read = read, .unstick = unstick, .most_bytes = MOST_BYTES};

const es_i2c_t *es_port_i2c(uint32_t index) {
    return index == 0 ? &wires : NULL;
}

#endif
#endif
