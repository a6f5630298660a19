/* edgeserve: raw frames, clips and windows to a model's int8 input.
 *
 * The host has made every table: nothing here needs a float, a library or memory of its own. The
 * arithmetic is that of edgeserve's preprocess package, bit for bit. docs/PREPROCESSING.md tells
 * the formulas. Right shifts of sums round to nearest, halves up.
 *
 * A bundle with a declaration has its tables in model/preprocess.h:
 *
 *     static _Alignas(8) uint8_t scratch[MODEL_PREPROCESS_SCRATCH_BYTES];
 *
 *     es_preprocess_image(&MODEL_PREPROCESS, frame, es_input(&model, 0));
 *     es_preprocess_audio(&MODEL_PREPROCESS, clip, es_input(&model, 0), scratch);
 *     es_preprocess_sensor(&MODEL_PREPROCESS, window, es_input(&model, 0));
 *
 * Which of the three it is, MODEL_PREPROCESS_KIND says. */
#ifndef ES_PREPROCESS_H
#define ES_PREPROCESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ES_PREPROCESS_IMAGE  1
#define ES_PREPROCESS_AUDIO  2
#define ES_PREPROCESS_SENSOR 3

/* (level * multiplier + bias) >> shift, saturated to int8; the bias holds zero point and rounding.
 * 1 <= shift <= 46. */
typedef struct es_affine {
    int64_t bias;
    int32_t multiplier;
    uint32_t shift;
} es_affine_t;

typedef enum es_pixel_format {
    ES_RGB888 = 0,
    ES_BGR888 = 1,
    ES_GRAY8 = 2,
    ES_RGB565_LE = 3,
    ES_RGB565_BE = 4,
    ES_YUYV = 5,
} es_pixel_format_t;

typedef enum es_colour { ES_RGB = 0, ES_BGR = 1, ES_GRAY = 2 } es_colour_t;

/* The source pixels that an output pixel sums: `count` of them from `first` on, by the weights that
 * begin at `weight`. */
typedef struct es_taps {
    uint16_t first;
    uint16_t count;
    uint32_t weight;
} es_taps_t;

/* A frame of dense rows. Taps count from the frame's first row and column: the crop is in them.
 * Weights have weight_bits fractional bits, and levels level_bits: (22, 0) or (16, 7). Elements of
 * the output lie at y * row_step + x * column_step + c * channel_step. */
typedef struct es_image_front {
    uint8_t format;
    uint8_t colour;
    uint8_t weight_bits;
    uint8_t level_bits;
    uint16_t frame_width;
    uint16_t frame_height;
    uint16_t out_width;
    uint16_t out_height;
    uint32_t row_step;
    uint32_t column_step;
    uint32_t channel_step;
    const es_taps_t *rows;
    const es_taps_t *columns;
    const uint32_t *weights;
    const es_affine_t *affines; /* one a channel */
} es_image_front_t;

/* The whole input of a model from a frame. */
void es_preprocess_image(const es_image_front_t *front, const uint8_t *frame, int8_t *input);

/* Rows [y0, y1) of it, of which the first goes to `rows`: for a model that is fed by rows
 * (es_set_source), and whose layout has a pixel's channels side by side. */
void es_preprocess_image_rows(const es_image_front_t *front, const uint8_t *frame, uint32_t y0,
                              uint32_t y1, int8_t *rows);

/* A mel band: FFT bins [first, first + count), by the weights (Q15) that begin at `weight`. `floor`
 * is what keeps the logarithm from zero, in the units of the sum; `offset` is added to log2 (Q16).
 */
typedef struct es_band {
    uint64_t floor;
    int32_t offset;
    uint16_t first;
    uint16_t count;
    uint32_t weight;
} es_band_t;

typedef struct es_audio_front {
    uint32_t samples;        /* of a clip */
    uint32_t window_samples; /* at most fft */
    uint32_t hop;            /* at most window_samples */
    uint32_t fft;            /* a power of two from 16 to 4096 */
    uint32_t bands;
    uint32_t features; /* of a frame */
    uint32_t frames;
    uint8_t is_magnitude;
    uint8_t floor_is_maximum;
    const int32_t *window;       /* Q30, window_samples of them */
    const int32_t *twiddles;     /* Q30, cos and -sin of 2 pi k / fft for k = 0..fft / 2 */
    const es_band_t *mel;        /* bands of them */
    const uint16_t *mel_weights; /* Q15 */
    const int16_t *dct;          /* Q15, features x bands; null for log-mel features */
    const es_affine_t *affines;  /* one a feature */
} es_audio_front_t;

/* What scratch takes for a front, aligned to 8. */
#define ES_AUDIO_SCRATCH_BYTES(fft, bands) ((fft) * 4u + (bands) * 4u)

/* The features of one window of samples. */
void es_preprocess_audio_frame(const es_audio_front_t *front, const int16_t *samples,
                               int8_t *features, void *scratch);

/* The features of a whole clip: frames x features. */
void es_preprocess_audio(const es_audio_front_t *front, const int16_t *clip, int8_t *input,
                         void *scratch);

/* The same from a stream, `hop` samples at a time. `memory` keeps the last window of samples, then
 * the features of all frames, oldest first; it begins as zero bytes, aligned to 8. Each call adds a
 * frame; after `frames` + window_samples / hop calls nothing is left of the zeros. */
#define ES_AUDIO_STREAM_BYTES(window_samples, frames, features)                                    \
    ((window_samples) * 2u + (frames) * (features))

void es_preprocess_audio_push(const es_audio_front_t *front, const int16_t *hop, void *memory,
                              int8_t *input, void *scratch);

typedef struct es_sensor_front {
    uint32_t samples; /* rows of a window */
    uint32_t hop;
    uint16_t channels;
    uint16_t axis_count;
    const uint16_t *axes;       /* which channels the model takes */
    const es_affine_t *affines; /* one an axis */
} es_sensor_front_t;

/* A window of samples x channels numbers. */
void es_preprocess_sensor(const es_sensor_front_t *front, const int16_t *window, int8_t *input);

/* The same from a stream, `hop` rows at a time: what `input` holds moves up, and the new rows come
 * last. `input` begins as anything, and must be kept by the caller (the arena's may be written
 * over). */
void es_preprocess_sensor_push(const es_sensor_front_t *front, const int16_t *rows, int8_t *input);

#ifdef __cplusplus
}
#endif

#endif
