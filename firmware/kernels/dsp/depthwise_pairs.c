/* DEPTHWISE_CONV_2D by pairs of rows, for cores with SMLAD. The inner loops of 3x3 windows are in
 * depthwise_pairs.S, their C twin is ../ref/depthwise_pairs.c.
 *
 * Four channels at a time, the columns of an output row (of two, where a 3x3 window moves by one)
 * are packed into the scratch with their padding: for each channel the rows of the window as int16,
 * in pairs. A word of data times a word of weights is then two taps. */
#include "es_depthwise_pairs.h"
#include "es_kernels.h"
#include "es_taps.h"

#include <arm_acle.h>
#include <string.h>

enum { NUMBERS = 4 }; /* words of a channel's bias, multiplier, addend and exponent */

typedef struct walk {
    const es_depthwise_pairs_params_t *params;
    const uint32_t *stream;
    const es_rows_t *in, *out;
    uint32_t pairs;           /* of rows: words that a channel of a column takes */
    uint32_t weight_words;    /* of a channel in the stream */
    uint32_t columns;         /* that a row's windows see */
    uint32_t inside, outside; /* columns of the image among them: from, to */
    uint32_t *packed;
    uint32_t *weights; /* of a channel, widened; not of 3x3 windows */
} walk_t;

static int is_3x3(const es_depthwise_pairs_params_t *p) {
    return p->kernel_h == 3 && p->kernel_w == 3 && p->dilation_w == 1 && p->stride_w <= 2;
}

/* Row k of the window at output row y, from the first pixel on that is packed; where it lies
 * outside the image, some row that does not, which will be overwritten. */
static const int8_t *window_row(const walk_t *walk, uint32_t y, uint32_t k, int *is_outside) {
    const es_depthwise_pairs_params_t *p = walk->params;
    const int32_t last = (int32_t)walk->in->h - 1;
    const int32_t at = (int32_t)(y * p->stride_h + k * p->dilation_h) - p->pad_top;
    const int32_t inside = es_clamp(at, 0, last);

    *is_outside = at != inside;
    return (const int8_t *)es_row(walk->in, (uint32_t)inside);
}

/* Puts the padding into row k of four channels of columns [from, to). */
static void pad_row(const walk_t *walk, uint32_t k, uint32_t from, uint32_t to) {
    const uint32_t halves = 2 * walk->pairs;
    const int16_t pad = (int16_t)walk->params->pad;
    int16_t *at = (int16_t *)walk->packed + from * ES_COLUMN_CHANNELS * halves + k;

    for (; from < to; from++) {
        for (uint32_t i = 0; i < ES_COLUMN_CHANNELS; i++, at += halves) {
            *at = pad;
        }
    }
}

static void pad_columns(const walk_t *walk) {
    for (uint32_t k = 0; k < 2 * walk->pairs; k++) {
        pad_row(walk, k, 0, walk->inside);
        pad_row(walk, k, walk->outside, walk->columns);
    }
}

static void pack(uint32_t rows, const es_packing_t *packing) {
    if (rows == 2) {
        es_depthwise_pack_4(packing);
    } else {
        es_depthwise_pack_3(packing);
    }
}

static void multiply(const es_depthwise_pairs_params_t *p, uint32_t rows,
                     const es_depthwise_job_t *job) {
    if (p->negatives) {
        if (rows == 2) {
            es_depthwise_any_2x1(job);
        } else if (p->stride_w == 1) {
            es_depthwise_any_1x1(job);
        } else {
            es_depthwise_any_1x2(job);
        }
    } else if (rows == 2) {
        es_depthwise_relu_2x1(job);
    } else if (p->stride_w == 1) {
        es_depthwise_relu_1x1(job);
    } else {
        es_depthwise_relu_1x2(job);
    }
}

/* Output rows y to y + rows of a 3x3 window; two rows where it moves by one. */
static void rows_3x3(const walk_t *walk, uint32_t y, uint32_t rows) {
    const es_rows_t *in = walk->in, *out = walk->out;
    const uint32_t c = in->c, seen = 2 + rows, pixels = walk->outside - walk->inside;
    const uint32_t stride = walk->params->stride_w;
    es_packing_t packing = {
        .step = c, .end = pixels * c, .columns = (es_column_t *)(void *)walk->packed};
    es_depthwise_job_t job = {
        .step = c,
        .out_0 = (int8_t *)es_row(out, y),
        .out_1 = (int8_t *)es_row(out, y + rows - 1),
        .span_bytes = out->w / 2 * 2 * stride * (uint32_t)sizeof(es_column_t),
        .stream = walk->stream,
        .is_odd = out->w % 2,
    };
    int is_outside[ES_COLUMN_ROWS] = {0};
    uint32_t first = 0;

    packing.columns += walk->inside;
    for (uint32_t k = 0; k < seen; k++) {
        packing.rows[k] = window_row(walk, y, k, &is_outside[k]);
    }
    while (first < c) {
        /* The last four channels overlap the four before them: those they share are done. */
        const uint32_t left = c - first;
        const uint32_t done = left < ES_COLUMN_CHANNELS ? ES_COLUMN_CHANNELS - left : 0;

        for (uint32_t k = 0; k < seen; k++) {
            packing.rows[k] -= done;
        }
        if (pixels > 0) {
            pack(rows, &packing);
        }
        for (uint32_t k = 0; k < seen; k++) {
            packing.rows[k] += ES_COLUMN_CHANNELS;
            if (is_outside[k]) {
                pad_row(walk, k, walk->inside, walk->outside);
            }
        }
        job.columns = (const int16_t *)walk->packed + done * ES_COLUMN_ROWS;
        job.channels = ES_COLUMN_CHANNELS - done;
        multiply(walk->params, rows, &job);
        job.stream += job.channels * (walk->weight_words + NUMBERS);
        job.out_0 += job.channels;
        job.out_1 += job.channels;
        first += job.channels;
    }
}

/* Bytes 1 and 3. */
static inline int16x2_t odd_bytes(uint32_t word) {
    return __sxtb16(word >> 8 | word << 24);
}

/* Four bytes of each pixel of a pair of rows. */
static void pack_pair(const walk_t *walk, uint32_t pair, const int8_t *a, const int8_t *b) {
    const uint32_t step = walk->pairs, c = walk->in->c;
    uint32_t *to = walk->packed + walk->inside * ES_COLUMN_CHANNELS * step + pair;

    for (uint32_t n = walk->outside - walk->inside; n > 0; n--, a += c, b += c) {
        uint32_t upper, lower;

        memcpy(&upper, a, sizeof upper);
        memcpy(&lower, b, sizeof lower);
        const uint32_t front = (upper & 0xFFFF) | lower << 16;
        const uint32_t back = upper >> 16 | (lower & 0xFFFF0000);
        to[0] = (uint32_t)__sxtb16(front);
        to[step] = (uint32_t)odd_bytes(front);
        to[2 * step] = (uint32_t)__sxtb16(back);
        to[3 * step] = (uint32_t)odd_bytes(back);
        to += 4 * step;
    }
}

/* The sums of two pixels, whose columns begin at `column` and `ahead` words behind it. */
static inline __attribute__((always_inline)) void add_window(const walk_t *walk,
                                                             const uint32_t *column,
                                                             uint32_t ahead, uint32_t kernel_w,
                                                             int32_t acc[2]) {
    const es_depthwise_pairs_params_t *p = walk->params;
    const uint32_t step = ES_COLUMN_CHANNELS * walk->pairs * p->dilation_w;
    const uint32_t *w = walk->weights;
    int32_t a0 = acc[0], a1 = acc[1];

    for (uint32_t n = p->kernel_h / 2; n > 0; n--, column++) {
        const uint32_t *at = column;

        for (uint32_t k = 0; k < kernel_w; k++, at += step, w++) {
            a0 = __smlad((int16x2_t)at[0], (int16x2_t)*w, a0);
            a1 = __smlad((int16x2_t)at[ahead], (int16x2_t)*w, a1);
        }
    }
    for (uint32_t k = 0; k < kernel_w && p->kernel_h % 2 > 0; k++, column += step, w++) {
        a0 = __smlabt((int32_t)column[0], (int32_t)*w, a0);
        a1 = __smlabt((int32_t)column[ahead], (int32_t)*w, a1);
    }
    acc[0] = a0, acc[1] = a1;
}

static inline int8_t finish(int32_t acc, const int32_t numbers[NUMBERS]) {
    const int32_t addend = es_wrapping_add(numbers[2], acc >> 31);
    const int32_t high = (int32_t)(((int64_t)acc * numbers[1] + (1LL << 31)) >> 32);

    return (int8_t)__ssat(es_wrapping_add(high, addend) >> (numbers[3] & 31), 8);
}

static void widen_weights(const walk_t *walk, const uint32_t *stream) {
    uint32_t *to = walk->weights;

    for (uint32_t n = walk->weight_words; n > 0; n--, to += 2) {
        const int16x2_t even = __sxtb16(*stream), odd = odd_bytes(*stream++);
        to[0] = (uint32_t)__sadd16(even, even);
        to[1] = (uint32_t)__sadd16(odd, odd);
    }
}

/* One channel of an output row. */
static void channel(const walk_t *walk, const uint32_t *stream, const uint32_t *column, int8_t *q) {
    const es_depthwise_pairs_params_t *p = walk->params;
    const int32_t *numbers = (const int32_t *)(stream + walk->weight_words);
    const uint32_t step = ES_COLUMN_CHANNELS * walk->pairs * p->stride_w;
    const uint32_t c = walk->out->c;

    widen_weights(walk, stream);
    for (uint32_t left = walk->out->w; left > 0;) {
        const uint32_t pixels = left > 1 ? 2 : 1;
        int32_t acc[2] = {numbers[0], numbers[0]};

        if (p->kernel_w == 5) {
            add_window(walk, column, (pixels - 1) * step, 5, acc);
        } else {
            add_window(walk, column, (pixels - 1) * step, p->kernel_w, acc);
        }
        q[(pixels - 1) * c] = finish(acc[1], numbers);
        q[0] = finish(acc[0], numbers);
        q += pixels * c;
        column += pixels * step;
        left -= pixels;
    }
}

/* An output row of a window of any size. */
static void row(const walk_t *walk, uint32_t y) {
    const uint32_t c = walk->in->c, kernel_h = walk->params->kernel_h;
    const uint32_t *stream = walk->stream;
    int8_t *q = (int8_t *)es_row(walk->out, y);

    for (uint32_t first = 0; first < c;) {
        const uint32_t left = c - first;
        const uint32_t done = left < ES_COLUMN_CHANNELS ? ES_COLUMN_CHANNELS - left : 0;
        const uint32_t from = first - done;

        for (uint32_t k = 0; k < kernel_h; k += 2) {
            int upper_outside, lower_outside;
            const int8_t *a = window_row(walk, y, k, &upper_outside);
            const int8_t *b =
                window_row(walk, y, k + 1 < kernel_h ? k + 1 : k, &lower_outside);

            pack_pair(walk, k / 2, a + from, b + from);
            if (upper_outside) {
                pad_row(walk, k, walk->inside, walk->outside);
            }
            if (lower_outside) {
                pad_row(walk, k + 1, walk->inside, walk->outside);
            }
        }
        for (uint32_t i = done; i < ES_COLUMN_CHANNELS; i++, first++) {
            channel(walk, stream, walk->packed + i * walk->pairs, q + first);
            stream += walk->weight_words + NUMBERS;
        }
    }
}

static void clamp_row(const walk_t *walk, uint32_t y) {
    const es_depthwise_pairs_params_t *p = walk->params;
    int8_t *q = (int8_t *)es_row(walk->out, y);

    for (uint32_t n = walk->out->w * walk->out->c; n > 0; n--, q++) {
        *q = (int8_t)es_clamp(*q, p->act_min, p->act_max);
    }
}

void es_depthwise_pairs(const es_depthwise_pairs_params_t *p, const uint32_t *stream,
                        const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                        uint32_t y1) {
    const uint32_t pairs = (p->kernel_h + 1u) / 2;
    const uint32_t columns =
        (out->w - 1) * p->stride_w + (p->kernel_w - 1u) * p->dilation_w + 1;
    const uint32_t inside = p->pad_left < columns ? p->pad_left : columns;
    const uint32_t weight_words = (pairs * p->kernel_w + 1) / 2;
    const walk_t walk = {
        .params = p,
        .stream = stream,
        .in = in,
        .out = out,
        .pairs = pairs,
        .weight_words = weight_words,
        .columns = columns,
        .inside = inside,
        .outside = in->w < columns - inside ? inside + in->w : columns,
        .packed = scratch,
        .weights = (uint32_t *)scratch + ES_COLUMN_CHANNELS * pairs * columns,
    };
    const int by_two = p->stride_h == 1 && p->stride_w == 1 && p->dilation_h == 1;

    pad_columns(&walk);
    while (y0 < y1) {
        uint32_t rows = 1;

        if (is_3x3(p)) {
            rows = by_two && y1 - y0 > 1 ? 2 : 1;
            rows_3x3(&walk, y0, rows);
        } else {
            row(&walk, y0);
        }
        for (; rows > 0; rows--, y0++) {
            if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
                clamp_row(&walk, y0);
            }
        }
    }
}
