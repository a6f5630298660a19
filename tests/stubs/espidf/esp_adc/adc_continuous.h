/* The few declarations of ESP-IDF that our ADC uses, as espressif/esp-idf
 * components/esp_adc/include/esp_adc/adc_continuous.h and components/hal/include/hal/adc_types.h
 * have them: to compile it, not to run it. */
#ifndef ADC_CONTINUOUS_H
#define ADC_CONTINUOUS_H

#include "esp_err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct adc_continuous_ctx_t *adc_continuous_handle_t;

typedef enum { ADC_UNIT_1 } adc_unit_t;
typedef enum { ADC_ATTEN_DB_12 = 3 } adc_atten_t;
typedef enum { ADC_CONV_SINGLE_UNIT_1 = 1 } adc_digi_convert_mode_t;
typedef enum {
    ADC_DIGI_OUTPUT_FORMAT_TYPE1,
    ADC_DIGI_OUTPUT_FORMAT_TYPE2
} adc_digi_output_format_t;

typedef struct {
    uint8_t atten;
    uint8_t channel;
    uint8_t unit;
    uint8_t bit_width;
} adc_digi_pattern_config_t;

typedef struct {
    union {
        struct {
            uint16_t data : 12;
            uint16_t channel : 4;
        } type1;
        struct {
            uint32_t data : 12;
            uint32_t reserved12 : 1;
            uint32_t channel : 4;
            uint32_t unit : 1;
            uint32_t reserved17_31 : 14;
        } type2;
        uint32_t val;
    };
} adc_digi_output_data_t;

typedef struct {
    uint32_t max_store_buf_size;
    uint32_t conv_frame_size;
} adc_continuous_handle_cfg_t;

typedef struct {
    uint32_t pattern_num;
    adc_digi_pattern_config_t *adc_pattern;
    uint32_t sample_freq_hz;
    adc_digi_convert_mode_t conv_mode;
    adc_digi_output_format_t format;
} adc_continuous_config_t;

typedef struct {
    uint8_t *conv_frame_buffer;
    uint32_t size;
} adc_continuous_evt_data_t;

typedef bool (*adc_continuous_callback_t)(adc_continuous_handle_t handle,
                                          const adc_continuous_evt_data_t *event, void *context);

typedef struct {
    adc_continuous_callback_t on_conv_done;
    adc_continuous_callback_t on_pool_ovf;
} adc_continuous_evt_cbs_t;

esp_err_t adc_continuous_new_handle(const adc_continuous_handle_cfg_t *config,
                                    adc_continuous_handle_t *handle);
esp_err_t adc_continuous_config(adc_continuous_handle_t handle,
                                const adc_continuous_config_t *config);
esp_err_t adc_continuous_register_event_callbacks(adc_continuous_handle_t handle,
                                                  const adc_continuous_evt_cbs_t *events,
                                                  void *context);
esp_err_t adc_continuous_start(adc_continuous_handle_t handle);
esp_err_t adc_continuous_read(adc_continuous_handle_t handle, uint8_t *bytes, uint32_t most,
                              uint32_t *got, uint32_t timeout_ms);
esp_err_t adc_continuous_stop(adc_continuous_handle_t handle);
esp_err_t adc_continuous_deinit(adc_continuous_handle_t handle);

#endif
