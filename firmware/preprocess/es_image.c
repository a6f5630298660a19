/* Frames to int8 pixels: colour, crop and resize in one walk over the output, without scratch.
 *
 * Each method of resizing is a pair of tables of taps (see es_preprocess.h), so there is one walk.
 * The columns are summed first and rounded to a level, then the rows, as if in two passes. */
#include "es_affine.h"
#include "es_image_walk.h"

void es_preprocess_image_rows(const es_image_front_t *front, const uint8_t *frame, uint32_t y0,
                              uint32_t y1, int8_t *rows) {
    for (uint32_t y = y0; y < y1; y++) {
        for (uint32_t x = 0; x < front->out_width; x++) {
            int8_t *out = rows + (y - y0) * front->row_step + x * front->column_step;
            uint32_t levels[3];
            sum_pixel(front, frame, &front->rows[y], &front->columns[x], levels);
            for (uint32_t c = 0; c < channels(front); c++) {
                out[c * front->channel_step] =
                    es_affine_int8(&front->affines[c], (int32_t)levels[c]);
            }
        }
    }
}

void es_preprocess_image(const es_image_front_t *front, const uint8_t *frame, int8_t *input) {
    es_preprocess_image_rows(front, frame, 0, front->out_height, input);
}
