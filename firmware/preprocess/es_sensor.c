/* Windows of a sensor's axes. */
#include "es_affine.h"
#include "es_slide.h"

static void convert(const es_sensor_front_t *front, const int16_t *rows, uint32_t count,
                    int8_t *out) {
    for (uint32_t y = 0; y < count; y++) {
        for (uint32_t i = 0; i < front->axis_count; i++) {
            *out++ = es_affine_int8(&front->affines[i], rows[front->axes[i]]);
        }
        rows += front->channels;
    }
}

void es_preprocess_sensor(const es_sensor_front_t *front, const int16_t *window, int8_t *input) {
    convert(front, window, front->samples, input);
}

void es_preprocess_sensor_push(const es_sensor_front_t *front, const int16_t *rows, int8_t *input) {
    const uint32_t total = front->samples * front->axis_count;
    const uint32_t added = front->hop * front->axis_count;

    es_slide((uint8_t *)input, total, added);
    convert(front, rows, front->hop, input + total - added);
}
