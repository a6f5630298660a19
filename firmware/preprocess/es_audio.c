/* Sound to log-mel features or MFCCs. */
#include "es_affine.h"
#include "es_fft.h"
#include "es_log2.h"
#include "es_slide.h"

/* Scratch: the points of the FFT, then the logarithms of the bands. */
static es_complex_t *points_of(void *scratch) {
    return scratch;
}

static int32_t *logs_of(const es_audio_front_t *front, void *scratch) {
    return (int32_t *)(points_of(scratch) + front->fft / 2);
}

/* A sample times a weight up to 1 in Q30: |result| <= 2^29. Fewer bits in the weights would be
 * heard as noise 98 dB below the loudest sound. */
static int32_t weighed(int16_t sample, int32_t weight) {
    return (int32_t)(((int64_t)sample * weight + (1 << 15)) >> 16);
}

static void load_window(const es_audio_front_t *front, const int16_t *samples,
                        es_complex_t *points) {
    for (uint32_t i = 0; i < front->fft / 2; i++) {
        points[i] = (es_complex_t){0, 0};
    }
    for (uint32_t i = 0; i < front->window_samples; i++) {
        const int32_t value = weighed(samples[i], front->window[i]);
        *(i % 2 == 0 ? &points[i / 2].re : &points[i / 2].im) = value;
    }
}

/* The whole part of the square root; value < 2^62. */
static uint32_t square_root(uint64_t value) {
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 60; bit != 0; bit >>= 2) {
        const uint64_t tried = root + bit;
        root >>= 1;
        if (value >= tried) {
            value -= tried;
            root += bit;
        }
    }
    return (uint32_t)root;
}

/* The power without its 13 lowest bits, below 2^48; or the magnitude. */
static uint64_t level(const es_audio_front_t *front, es_complex_t bin) {
    const uint64_t power = (uint64_t)((int64_t)bin.re * bin.re + (int64_t)bin.im * bin.im);
    return front->is_magnitude ? square_root(power) : (power + (1u << 12)) >> 13;
}

/* By Parseval's theorem all powers together are below 2^48, so the sum fits. */
static int32_t band_log(const es_audio_front_t *front, const es_complex_t *points,
                        const es_band_t *band) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < band->count; i++) {
        const es_complex_t bin =
            es_fft_bin(points, front->fft, front->twiddles, (uint32_t)band->first + i);
        sum += level(front, bin) * front->mel_weights[band->weight + i];
    }
    if (!front->floor_is_maximum) {
        sum += band->floor;
    } else if (sum < band->floor) {
        sum = band->floor;
    }
    return es_log2(sum) + band->offset;
}

/* A row of the DCT over all bands, in Q16. */
static int32_t coefficient(const es_audio_front_t *front, const int32_t *logs, uint32_t k) {
    const int16_t *row = front->dct + k * front->bands;
    int64_t sum = 1 << 14;

    for (uint32_t i = 0; i < front->bands; i++) {
        sum += (int64_t)row[i] * logs[i];
    }
    return (int32_t)(sum >> 15);
}

void es_preprocess_audio_frame(const es_audio_front_t *front, const int16_t *samples,
                               int8_t *features, void *scratch) {
    es_complex_t *points = points_of(scratch);
    int32_t *logs = logs_of(front, scratch);

    load_window(front, samples, points);
    es_fft_pairs(points, front->fft, front->twiddles);
    for (uint32_t i = 0; i < front->bands; i++) {
        logs[i] = band_log(front, points, &front->mel[i]);
    }
    for (uint32_t k = 0; k < front->features; k++) {
        const int32_t value = front->dct == 0 ? logs[k] : coefficient(front, logs, k);
        features[k] = es_affine_int8(&front->affines[k], value);
    }
}

void es_preprocess_audio(const es_audio_front_t *front, const int16_t *clip, int8_t *input,
                         void *scratch) {
    for (uint32_t i = 0; i < front->frames; i++) {
        es_preprocess_audio_frame(front, clip + i * front->hop, input + i * front->features,
                                  scratch);
    }
}

void es_preprocess_audio_push(const es_audio_front_t *front, const int16_t *hop, void *memory,
                              int8_t *input, void *scratch) {
    const uint32_t kept_bytes = front->window_samples * 2;
    const uint32_t feature_bytes = front->frames * front->features;
    int16_t *samples = memory;
    uint8_t *features = (uint8_t *)memory + kept_bytes;

    es_slide((uint8_t *)memory, kept_bytes, front->hop * 2);
    memcpy(samples + front->window_samples - front->hop, hop, front->hop * sizeof *hop);
    es_slide(features, feature_bytes, front->features);
    es_preprocess_audio_frame(front, samples, (int8_t *)features + feature_bytes - front->features,
                              scratch);
    memcpy(input, features, feature_bytes);
}
