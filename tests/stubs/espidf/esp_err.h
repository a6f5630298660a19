/* The few declarations of ESP-IDF that our buses use, as espressif/esp-idf
 * components/esp_common/include/esp_err.h has them: to compile them, not to run them. */
#ifndef ESP_ERR_H
#define ESP_ERR_H

typedef int esp_err_t;

#define ESP_OK                   0
#define ESP_ERR_INVALID_ARG      0x102
#define ESP_ERR_INVALID_STATE    0x103
#define ESP_ERR_NOT_FOUND        0x105
#define ESP_ERR_TIMEOUT          0x107
#define ESP_ERR_INVALID_RESPONSE 0x108

#endif
