/* The walk over a frame: what one output pixel is before the last step.
 *
 * Included by what walks, so that each keeps its own copy to inline: es_image.c, and the phones'
 * harness, which times the last step apart. */
#ifndef ES_IMAGE_WALK_H
#define ES_IMAGE_WALK_H

#include "es_preprocess.h"

/* Red, green and blue 0..255; all the same for a grey frame. */
typedef struct pixel {
    int32_t red, green, blue;
} pixel_t;

static int32_t level8(int32_t value) {
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

static int32_t rounded(int32_t value) {
    return (value + (1 << 15)) >> 16;
}

static pixel_t of_565(uint32_t word) {
    const int32_t red = word >> 11 & 31, green = word >> 5 & 63, blue = word & 31;
    return (pixel_t){red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2};
}

/* Two pixels are Y0 U Y1 V: JPEG's full-range BT.601. */
static pixel_t of_yuyv(const uint8_t *row, uint32_t x) {
    const uint8_t *pair = row + (x & ~1u) * 2;
    const int32_t luma = row[x * 2], u = pair[1] - 128, v = pair[3] - 128;
    return (pixel_t){level8(luma + rounded(91881 * v)),
                     level8(luma - rounded(22554 * u + 46802 * v)),
                     level8(luma + rounded(116130 * u))};
}

static uint32_t pixel_bytes(const es_image_front_t *front) {
    return front->format == ES_GRAY8 ? 1 : front->format <= ES_BGR888 ? 3 : 2;
}

static pixel_t decode(const es_image_front_t *front, const uint8_t *row, uint32_t x) {
    const uint8_t *at = row + x * pixel_bytes(front);
    switch (front->format) {
    case ES_RGB888:
        return (pixel_t){at[0], at[1], at[2]};
    case ES_BGR888:
        return (pixel_t){at[2], at[1], at[0]};
    case ES_RGB565_LE:
        return of_565(at[0] | (uint32_t)at[1] << 8);
    case ES_RGB565_BE:
        return of_565(at[1] | (uint32_t)at[0] << 8);
    case ES_YUYV:
        return of_yuyv(row, x);
    default:
        return (pixel_t){at[0], at[0], at[0]};
    }
}

static uint32_t channels(const es_image_front_t *front) {
    return front->colour == ES_GRAY ? 1 : 3;
}

static void colour(const es_image_front_t *front, pixel_t pixel, uint32_t out[3]) {
    if (front->colour == ES_GRAY) {
        /* The weights add up to 2^16, so that grey stays what it is. */
        out[0] = (uint32_t)rounded(19595 * pixel.red + 38470 * pixel.green + 7471 * pixel.blue);
        return;
    }
    out[0] = (uint32_t)(front->colour == ES_RGB ? pixel.red : pixel.blue);
    out[1] = (uint32_t)pixel.green;
    out[2] = (uint32_t)(front->colour == ES_RGB ? pixel.blue : pixel.red);
}

/* Sums below 2^32: 255 * 2^22, or 255 * 2^7 * 2^16, and half a unit. */
static void sum_row(const es_image_front_t *front, const uint8_t *row, const es_taps_t *columns,
                    uint32_t levels[3]) {
    const uint32_t shift = front->weight_bits - front->level_bits;
    const uint32_t half = 1u << (shift - 1);
    uint32_t sums[3] = {half, half, half};

    for (uint32_t i = 0; i < columns->count; i++) {
        const uint32_t weight = front->weights[columns->weight + i];
        uint32_t values[3] = {0};
        colour(front, decode(front, row, columns->first + i), values);
        for (uint32_t c = 0; c < 3; c++) {
            sums[c] += values[c] * weight;
        }
    }
    for (uint32_t c = 0; c < 3; c++) {
        levels[c] = sums[c] >> shift;
    }
}

static void sum_pixel(const es_image_front_t *front, const uint8_t *frame, const es_taps_t *rows,
                      const es_taps_t *columns, uint32_t levels[3]) {
    const uint32_t row_bytes = front->frame_width * pixel_bytes(front);
    const uint32_t half = 1u << (front->weight_bits - 1);
    uint32_t sums[3] = {half, half, half};

    for (uint32_t i = 0; i < rows->count; i++) {
        const uint32_t weight = front->weights[rows->weight + i];
        uint32_t values[3];
        sum_row(front, frame + (rows->first + i) * row_bytes, columns, values);
        for (uint32_t c = 0; c < 3; c++) {
            sums[c] += values[c] * weight;
        }
    }
    for (uint32_t c = 0; c < 3; c++) {
        levels[c] = sums[c] >> front->weight_bits;
    }
}

#endif
