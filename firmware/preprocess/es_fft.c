/* Radix-2 FFT, decimation in time, with 32-bit points and Q30 twiddles.
 *
 * Points of |re|, |im| <= 2^29 have magnitudes up to 2^29.5, which halving at each stage keeps. So
 * a rotated point fits 31 bits, and the sum of two 32. */
#include "es_fft.h"

/* By the twiddle -k / n of a turn: product in 62 bits, rounded. */
static void rotate(int64_t re, int64_t im, const int32_t *twiddle, int64_t *out_re,
                   int64_t *out_im) {
    const int64_t half = 1 << 29;
    *out_re = (re * twiddle[0] - im * twiddle[1] + half) >> 30;
    *out_im = (re * twiddle[1] + im * twiddle[0] + half) >> 30;
}

static void reverse_bits(es_complex_t *points, uint32_t count) {
    for (uint32_t i = 1, j = 0; i < count; i++) {
        uint32_t bit = count >> 1;
        for (; (j & bit) != 0; bit >>= 1) {
            j ^= bit;
        }
        j |= bit;
        if (i < j) {
            const es_complex_t point = points[i];
            points[i] = points[j];
            points[j] = point;
        }
    }
}

static void butterfly(es_complex_t *a, es_complex_t *b, const int32_t *twiddle) {
    int64_t re, im;
    rotate(b->re, b->im, twiddle, &re, &im);
    const es_complex_t top = *a;
    a->re = (int32_t)((top.re + re + 1) >> 1);
    a->im = (int32_t)((top.im + im + 1) >> 1);
    b->re = (int32_t)((top.re - re + 1) >> 1);
    b->im = (int32_t)((top.im - im + 1) >> 1);
}

void es_fft_pairs(es_complex_t *points, uint32_t n, const int32_t *twiddles) {
    const uint32_t count = n / 2;

    reverse_bits(points, count);
    /* A stage's twiddles are every `step`th of those of n points. */
    for (uint32_t half = 1, step = count; half < count; half <<= 1, step >>= 1) {
        for (uint32_t first = 0; first < count; first += 2 * half) {
            for (uint32_t i = 0; i < half; i++) {
                es_complex_t *a = &points[first + i];
                butterfly(a, a + half, &twiddles[2 * i * step]);
            }
        }
    }
}

es_complex_t es_fft_bin(const es_complex_t *points, uint32_t n, const int32_t *twiddles,
                        uint32_t k) {
    const uint32_t mask = n / 2 - 1;
    const es_complex_t z = points[k & mask], mirrored = points[(n / 2 - k) & mask];
    const int64_t even_re = (int64_t)z.re + mirrored.re, even_im = (int64_t)z.im - mirrored.im;
    int64_t re, im;

    rotate((int64_t)z.re - mirrored.re, (int64_t)z.im + mirrored.im, &twiddles[2 * k], &re, &im);
    return (es_complex_t){(int32_t)((even_re + im + 1) >> 1), (int32_t)((even_im - re + 1) >> 1)};
}
