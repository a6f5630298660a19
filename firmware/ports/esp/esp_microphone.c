/* I2S of ESP-IDF 5 as a sampler: a PDM microphone, or one that speaks I2S. Compiled, never run on a
 * board.
 *
 * ES_SENSORS=1 alone builds it, with the pins: BOARD_PDM_CLOCK and BOARD_PDM_DATA, or
 * BOARD_I2S_CLOCK, BOARD_I2S_WORD and BOARD_I2S_DATA. Arduino's core has this driver from version 3
 * on. PDM needs a chip with the filter to PCM (an ESP32 or ESP32-S3). The driver allocates when it
 * starts. */
#if ES_SENSORS && __has_include(<driver/i2s_pdm.h>)

#include "es_bus.h"

#if __has_include("board.h")
#include "board.h"
#endif

#if defined(BOARD_PDM_CLOCK) || defined(BOARD_I2S_CLOCK)

#include <driver/i2s_pdm.h>
#include <driver/i2s_std.h>
#include <stddef.h>

static i2s_chan_handle_t channel;
static uint32_t overrun; /* bytes, counted by an interrupt */
static uint32_t told;

static bool overran(i2s_chan_handle_t handle, i2s_event_data_t *event, void *context) {
    (void)handle, (void)context;
    __atomic_fetch_add(&overrun, (uint32_t)event->size, __ATOMIC_RELAXED);
    return false;
}

static void stop(void *context) {
    (void)context;
    if (channel != NULL) {
        (void)i2s_channel_disable(channel);
        (void)i2s_del_channel(channel);
        channel = NULL;
    }
}

static esp_err_t set_up(const es_sampling_t *sampling) {
#ifdef BOARD_PDM_CLOCK
    const i2s_pdm_rx_config_t config = {
        .clk_cfg = I2S_PDM_RX_CLK_DEFAULT_CONFIG(sampling->rate_hz),
        .slot_cfg = I2S_PDM_RX_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_16BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.clk = BOARD_PDM_CLOCK, .din = BOARD_PDM_DATA},
    };
    return i2s_channel_init_pdm_rx_mode(channel, &config);
#else
    const i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(sampling->rate_hz),
        .slot_cfg =
            I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_16BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED,
                     .bclk = BOARD_I2S_CLOCK,
                     .ws = BOARD_I2S_WORD,
                     .dout = I2S_GPIO_UNUSED,
                     .din = BOARD_I2S_DATA},
    };
    return i2s_channel_init_std_mode(channel, &config);
#endif
}

static es_fault_t start(void *context, es_sampling_t *sampling) {
    i2s_chan_config_t config = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_0, I2S_ROLE_MASTER);
    const i2s_event_callbacks_t events = {.on_recv_q_ovf = overran};

    stop(context);
    overrun = told = 0;
    config.dma_frame_num = sampling->half;
    if (i2s_new_channel(&config, NULL, &channel) != ESP_OK) {
        channel = NULL;
        return ES_FAULT_SETUP;
    }
    if (set_up(sampling) != ESP_OK ||
        i2s_channel_register_event_callback(channel, &events, NULL) != ESP_OK ||
        i2s_channel_enable(channel) != ESP_OK) {
        stop(context);
        return ES_FAULT_SETUP;
    }
    sampling->actual_mhz = sampling->rate_hz * 1000; /* the driver does not say */
    sampling->sample_bits = 16;
    return ES_FAULT_NONE;
}

/* An overrun is told with the samples after it: the driver's queue keeps what it had, so that this
 * is up to a queue early. Without a wait, a read that is short ends in a timeout. */
static uint32_t take(void *context, int16_t *into, uint32_t room, uint32_t *lost) {
    const uint32_t now = __atomic_load_n(&overrun, __ATOMIC_RELAXED);
    size_t bytes = 0;

    (void)context;
    *lost += (now - told) / sizeof *into;
    told = now;
    if (channel != NULL) {
        (void)i2s_channel_read(channel, into, room * sizeof *into, &bytes, 0);
    }
    return (uint32_t)(bytes / sizeof *into);
}

static const es_sampler_t sampler = {.start = start, .take = take, .stop = stop};

const es_sampler_t *es_port_microphone(uint32_t index) {
    return index == 0 ? &sampler : NULL;
}

#endif
#endif
