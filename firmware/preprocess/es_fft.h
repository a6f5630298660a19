/* The spectrum of real samples in fixed point. */
#ifndef ES_FFT_H
#define ES_FFT_H

#include <stdint.h>

typedef struct es_complex {
    int32_t re, im;
} es_complex_t;

/* An FFT of n / 2 points in place, on n real samples taken as pairs: samples 2i and 2i + 1 are `re`
 * and `im` of point i. |sample| <= 2^29. Each stage halves, so the result is the transform divided
 * by n / 2. `twiddles`: see es_audio_front_t; n is a power of two, at least 4. */
void es_fft_pairs(es_complex_t *points, uint32_t n, const int32_t *twiddles);

/* Bin k = 0..n / 2 of the real samples' transform, divided by n / 2, from what es_fft_pairs() made.
 * Its magnitude is at most 2^30. */
es_complex_t es_fft_bin(const es_complex_t *points, uint32_t n, const int32_t *twiddles,
                        uint32_t k);

#endif
