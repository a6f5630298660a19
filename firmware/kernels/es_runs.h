/* Dot products of wide elements, of four output channels at once. What lies in line in the image
 * and in the weights is one run. */
#ifndef ES_RUNS_H
#define ES_RUNS_H

#include "edgeserve.h"
#include "es_taps.h"

enum {
    ES_RUN_LANES = 4,
    /* Products of an int16 and an int8 whose sum is an int32: each is at most 2^22. */
    ES_RUN_INT32_SUM = 256,
};

/* The part of a window that lies inside the image. Every kernel row of it is `runs` runs of `count`
 * elements: the first begins `x` elements into the image's row and `w` elements into the kernel's
 * row, and each next one is `x_step` and `w_step` further on. */
typedef struct es_window {
    es_taps_t rows; /* of the kernel */
    uint32_t runs, count;
    uint32_t x, w, x_step, w_step;
} es_window_t;

/* Of `kernel_w` taps from column `left` on, each of `depth` elements of `in`, where neighbouring
 * taps may be one run if they lie in line. `rows` are known. */
static inline es_window_t es_window(es_taps_t rows, const es_rows_t *in, int32_t left,
                                    uint32_t kernel_w, uint32_t dilation_w, uint32_t depth,
                                    int joins) {
    const es_taps_t columns = es_taps(left, in->w, dilation_w, kernel_w);
    const uint32_t taps = columns.end > columns.first ? columns.end - columns.first : 0;
    const int is_one = joins && dilation_w == 1 && depth == in->c;

    return (es_window_t){
        .rows = rows,
        .runs = is_one ? taps > 0 : taps,
        .count = is_one ? taps * depth : depth,
        .x = ((uint32_t)left + columns.first * dilation_w) * in->c,
        .w = columns.first * depth,
        .x_step = dilation_w * in->c,
        .w_step = depth,
    };
}

/* Adds the products of `count` elements by the weights of one channel. */
static inline void es_add_run_16(uint64_t *sum, const int16_t *x, const int8_t *w, uint32_t count) {
    while (count > 0) {
        const uint32_t some = count < ES_RUN_INT32_SUM ? count : ES_RUN_INT32_SUM;
        int32_t partial = 0;

        for (const int16_t *end = x + some; x != end; x++) {
            partial += *x * *w++;
        }
        *sum += (uint64_t)(int64_t)partial;
        count -= some;
    }
}

/* The same of four, whose weights lie `apart` elements one behind the other. */
static inline void es_add_runs_16(uint64_t sums[ES_RUN_LANES], const int16_t *x, const int8_t *w,
                                  uint32_t apart, uint32_t count) {
    while (count > 0) {
        const uint32_t some = count < ES_RUN_INT32_SUM ? count : ES_RUN_INT32_SUM;
        const int8_t *w1 = w + apart, *w2 = w1 + apart, *w3 = w2 + apart;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;

        for (uint32_t k = 0; k < some; k++) {
            const int32_t element = x[k];
            s0 += element * w[k];
            s1 += element * w1[k];
            s2 += element * w2[k];
            s3 += element * w3[k];
        }
        sums[0] += (uint64_t)(int64_t)s0;
        sums[1] += (uint64_t)(int64_t)s1;
        sums[2] += (uint64_t)(int64_t)s2;
        sums[3] += (uint64_t)(int64_t)s3;
        x += some;
        w += some;
        count -= some;
    }
}

/* Of floats: each sum grows in the order of the elements. */
static inline void es_add_run_float(float *sum, const float *x, const float *w, uint32_t count) {
    float all = *sum;

    for (const float *end = x + count; x != end; x++) {
        all += *x * *w++;
    }
    *sum = all;
}

static inline void es_add_runs_float(float sums[ES_RUN_LANES], const float *x, const float *w,
                                     uint32_t apart, uint32_t count) {
    const float *w1 = w + apart, *w2 = w1 + apart, *w3 = w2 + apart;
    float s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];

    for (const float *end = x + count; x != end; x++) {
        const float element = *x;
        s0 += element * *w++;
        s1 += element * *w1++;
        s2 += element * *w2++;
        s3 += element * *w3++;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

#endif
