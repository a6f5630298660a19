/* adc_continuous of ESP-IDF 5 as a sampler: DMA, one channel of ADC1. Compiled, never run on a
 * board.
 *
 * ES_SENSORS=1 alone builds it. The driver allocates when it starts. Rates below the chip's least
 * (20 kHz on an ESP32, 611 Hz on an ESP32-S3) are refused. */
#if ES_SENSORS

#include "es_bus.h"

#include <esp_adc/adc_continuous.h>
#include <soc/soc_caps.h>
#include <stddef.h>

enum { FRAMES = 4, CHUNK = 64, BITS = 12 };

static adc_continuous_handle_t adc;
static uint32_t overrun; /* counted by an interrupt */
static uint32_t told, frame_samples;

static bool overran(adc_continuous_handle_t handle, const adc_continuous_evt_data_t *event,
                    void *context) {
    (void)handle, (void)event, (void)context;
    __atomic_fetch_add(&overrun, 1, __ATOMIC_RELAXED);
    return false;
}

static void stop(void *context) {
    (void)context;
    if (adc != NULL) {
        (void)adc_continuous_stop(adc);
        (void)adc_continuous_deinit(adc);
        adc = NULL;
    }
}

static es_fault_t start(void *context, es_sampling_t *sampling) {
    const adc_continuous_handle_cfg_t memory = {
        .max_store_buf_size = FRAMES * sampling->half * SOC_ADC_DIGI_RESULT_BYTES,
        .conv_frame_size = sampling->half * SOC_ADC_DIGI_RESULT_BYTES};
    adc_digi_pattern_config_t pattern = {.atten = ADC_ATTEN_DB_12,
                                         .channel = (uint8_t)sampling->channel,
                                         .unit = ADC_UNIT_1,
                                         .bit_width = BITS};
    const adc_continuous_config_t config = {.pattern_num = 1,
                                            .adc_pattern = &pattern,
                                            .sample_freq_hz = sampling->rate_hz,
                                            .conv_mode = ADC_CONV_SINGLE_UNIT_1,
#if CONFIG_IDF_TARGET_ESP32 || CONFIG_IDF_TARGET_ESP32S2
                                            .format = ADC_DIGI_OUTPUT_FORMAT_TYPE1};
#else
                                            .format = ADC_DIGI_OUTPUT_FORMAT_TYPE2};
#endif
    const adc_continuous_evt_cbs_t events = {.on_pool_ovf = overran};

    stop(context);
    overrun = told = 0;
    frame_samples = sampling->half;
    if (adc_continuous_new_handle(&memory, &adc) != ESP_OK) {
        adc = NULL;
        return ES_FAULT_SETUP;
    }
    if (adc_continuous_config(adc, &config) != ESP_OK ||
        adc_continuous_register_event_callbacks(adc, &events, NULL) != ESP_OK ||
        adc_continuous_start(adc) != ESP_OK) {
        stop(context);
        return ES_FAULT_SETUP;
    }
    sampling->actual_mhz = sampling->rate_hz * 1000; /* the driver does not say */
    sampling->sample_bits = BITS;
    return ES_FAULT_NONE;
}

static int16_t value_of(const adc_digi_output_data_t *result) {
#if CONFIG_IDF_TARGET_ESP32 || CONFIG_IDF_TARGET_ESP32S2
    return (int16_t)result->type1.data;
#else
    return (int16_t)result->type2.data;
#endif
}

/* An overrun is told with the samples after it: the pool keeps what it had, so that this is up to a
 * pool early. */
static uint32_t take(void *context, int16_t *into, uint32_t room, uint32_t *lost) {
    adc_digi_output_data_t results[CHUNK];
    const uint32_t wanted = room < CHUNK ? room : CHUNK;
    const uint32_t now = __atomic_load_n(&overrun, __ATOMIC_RELAXED);
    uint32_t bytes = 0;

    (void)context;
    *lost += (now - told) * frame_samples;
    told = now;
    if (adc == NULL ||
        adc_continuous_read(adc, (uint8_t *)results, wanted * SOC_ADC_DIGI_RESULT_BYTES, &bytes,
                            0) != ESP_OK) {
        return 0;
    }
    const uint32_t count = bytes / SOC_ADC_DIGI_RESULT_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        into[i] = value_of(&results[i]);
    }
    return count;
}

static const es_sampler_t sampler = {.start = start, .take = take, .stop = stop};

const es_sampler_t *es_port_adc(uint32_t index) {
    return index == 0 ? &sampler : NULL;
}

#endif
