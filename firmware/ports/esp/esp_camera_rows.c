/* esp32-camera as a camera of rows, with ESP-IDF and with Arduino's core. Compiled, never run on a
 * board.
 *
 * ES_SENSORS=1 alone builds it. That component takes whole frames, into memory that it allocates
 * when it starts; their rows are handed over from there as far as there is room. poll() waits for a
 * frame, up to the component's own timeout of some seconds. The application says how the camera is
 * wired, in a function of its own:
 *
 *     void es_esp_camera(camera_config_t *config) { config->pin_xclk = 10; ... }
 */
#if ES_SENSORS && __has_include(<esp_camera.h>)

#include "es_bus.h"

#include <esp_camera.h>
#include <stddef.h>

/* Pins and clocks; what is asked of es_esp_camera(). Without one there is no camera. */
__attribute__((weak)) void es_esp_camera(camera_config_t *config);

static const es_rows_in_t *sink;
static camera_fb_t *frame;
static uint32_t frame_width, frame_height, row_bytes, next;

static const struct {
    uint32_t width, height;
    framesize_t size;
} sizes[] = {
    {96, 96, FRAMESIZE_96X96},     {160, 120, FRAMESIZE_QQVGA}, {176, 144, FRAMESIZE_QCIF},
    {240, 240, FRAMESIZE_240X240}, {320, 240, FRAMESIZE_QVGA},  {640, 480, FRAMESIZE_VGA},
};

static void give_back(void) {
    if (frame != NULL) {
        esp_camera_fb_return(frame);
        frame = NULL;
    }
}

static void stop(void *context) {
    (void)context;
    give_back();
    (void)esp_camera_deinit();
}

static es_fault_t start(void *context, uint32_t width, uint32_t height, es_pixels_t pixels,
                        const es_rows_in_t *rows) {
    static const pixformat_t formats[] = {[ES_PIXELS_GRAY8] = PIXFORMAT_GRAYSCALE,
                                          [ES_PIXELS_RGB565] = PIXFORMAT_RGB565,
                                          [ES_PIXELS_YUYV] = PIXFORMAT_YUV422};
    camera_config_t config = {.pixel_format = formats[pixels], .fb_count = 1};
    uint32_t i = 0;

    (void)context;
    while (i < sizeof sizes / sizeof *sizes &&
           (sizes[i].width != width || sizes[i].height != height)) {
        i++;
    }
    if (i == sizeof sizes / sizeof *sizes) {
        return ES_FAULT_SETUP;
    }
    config.frame_size = sizes[i].size;
    es_esp_camera(&config);
    sink = rows;
    frame_width = width, frame_height = height;
    row_bytes = width * (pixels == ES_PIXELS_GRAY8 ? 1 : 2);
    switch (esp_camera_init(&config)) {
    case ESP_OK:
        return ES_FAULT_NONE;
    case ESP_ERR_NOT_FOUND:
    case ESP_ERR_CAMERA_NOT_DETECTED:
        return ES_FAULT_NAK;
    default:
        return ES_FAULT_SETUP;
    }
}

static es_fault_t poll(void *context) {
    (void)context;
    if (frame == NULL) {
        frame = esp_camera_fb_get();
        next = 0;
        if (frame == NULL) {
            return ES_FAULT_HUNG;
        }
        if (frame->width != frame_width || frame->height != frame_height ||
            frame->len < (size_t)frame_height * row_bytes) {
            give_back();
            return ES_FAULT_IDENTITY;
        }
    }
    while (next < frame_height &&
           sink->row(sink->context, next, &frame->buf[(size_t)next * row_bytes], row_bytes)) {
        next++;
    }
    if (next == frame_height) {
        give_back();
    }
    return ES_FAULT_NONE;
}

static const es_camera_bus_t camera = {.start = start, .poll = poll, .stop = stop};

const es_camera_bus_t *es_port_camera(uint32_t index) {
    return index == 0 && es_esp_camera != NULL ? &camera : NULL;
}

#endif
