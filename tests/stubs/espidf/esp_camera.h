/* The few declarations of esp32-camera that our camera uses, as espressif/esp32-camera
 * driver/include/esp_camera.h and sensor.h have them: to compile it, not to run it. */
#ifndef ESP_CAMERA_H
#define ESP_CAMERA_H

#include "esp_err.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESP_ERR_CAMERA_NOT_DETECTED 0x20001

typedef enum {
    PIXFORMAT_RGB565,
    PIXFORMAT_YUV422,
    PIXFORMAT_YUV420,
    PIXFORMAT_GRAYSCALE
} pixformat_t;
typedef enum {
    FRAMESIZE_96X96,
    FRAMESIZE_QQVGA,
    FRAMESIZE_QCIF,
    FRAMESIZE_HQVGA,
    FRAMESIZE_240X240,
    FRAMESIZE_QVGA,
    FRAMESIZE_CIF,
    FRAMESIZE_HVGA,
    FRAMESIZE_VGA
} framesize_t;

typedef struct {
    int pin_xclk;
    int xclk_freq_hz;
    pixformat_t pixel_format;
    framesize_t frame_size;
    size_t fb_count;
} camera_config_t;

typedef struct {
    uint8_t *buf;
    size_t len;
    size_t width;
    size_t height;
    pixformat_t format;
} camera_fb_t;

esp_err_t esp_camera_init(const camera_config_t *config);
esp_err_t esp_camera_deinit(void);
camera_fb_t *esp_camera_fb_get(void);
void esp_camera_fb_return(camera_fb_t *frame);

#ifdef __cplusplus
}
#endif

#endif
