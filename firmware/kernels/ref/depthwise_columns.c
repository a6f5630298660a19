/* DEPTHWISE_CONV_2D of 3x3 windows by their columns. */
#include "es_scale.h"

enum { WINDOW = 3 };

/* A row of the image as a channel sees it; outside of it, the zero point again and again. */
typedef struct line {
    const int8_t *at;
    uint32_t step;
} line_t;

/* What the channels of an output row read and write. */
typedef struct job {
    const es_depthwise_columns_params_t *params;
    line_t lines[WINDOW];
    uint32_t in_w, out_w, c;
    int8_t *out;
} job_t;

/* The three sums of a column by the weights of each window's column. */
static inline uint32_t column(const int32_t *k, int32_t a, int32_t b, int32_t c) {
    return (uint32_t)(a * k[0]) + (uint32_t)(b * k[3]) + (uint32_t)(c * k[6]);
}

/* Reads the next column, `x` of the image, and moves on where that is in it. */
#define ES_NEXT_COLUMN()                                                                           \
    do {                                                                                           \
        a = b = c = pad;                                                                           \
        if (x < w) {                                                                               \
            a = *l0, b = *l1, c = *l2;                                                             \
            l0 += s0, l1 += s1, l2 += s2;                                                          \
        }                                                                                          \
        x++;                                                                                       \
    } while (0)

/* A channel of a row. Each output begins with its window's first column. */
static inline void channel(const job_t *j, uint32_t n, const int8_t *weights, const es_scale_t *s) {
    const es_depthwise_columns_params_t *p = j->params;
    const int32_t k[WINDOW * WINDOW] = {weights[0], weights[1], weights[2], weights[3], weights[4],
                                        weights[5], weights[6], weights[7], weights[8]};
    const uint32_t s0 = j->lines[0].step, s1 = j->lines[1].step, s2 = j->lines[2].step;
    const int8_t *l0 = j->lines[0].at + (s0 ? n : 0), *l1 = j->lines[1].at + (s1 ? n : 0);
    const int8_t *l2 = j->lines[2].at + (s2 ? n : 0);
    const uint32_t w = j->in_w, bias = (uint32_t)s->bias;
    const int32_t pad = (int8_t)p->pad;
    uint32_t x = 0u - p->pad_left;
    int8_t *q = j->out + n;
    const int8_t *end = q + j->out_w * j->c;
    int32_t a, b, c;

    ES_NEXT_COLUMN();
    uint32_t first = bias + column(k, a, b, c), second = 0;
    if (p->stride_w == 1) {
        ES_NEXT_COLUMN();
        first += column(k + 1, a, b, c);
        second = bias + column(k, a, b, c);
    }
    do {
        uint32_t sum = first;

        if (p->stride_w == 1) {
            ES_NEXT_COLUMN();
            sum += column(k + 2, a, b, c);
            first = second + column(k + 1, a, b, c);
            second = bias + column(k, a, b, c);
        } else {
            ES_NEXT_COLUMN();
            sum += column(k + 1, a, b, c);
            ES_NEXT_COLUMN();
            sum += column(k + 2, a, b, c);
            first = bias + column(k, a, b, c);
        }
        *q = es_scaled(sum, s, p->below, p->act_min, p->act_max);
        q += j->c;
    } while (q != end);
}

void es_depthwise_columns(const es_depthwise_columns_params_t *p, const int8_t *weights,
                          const es_scale_t *scales, const es_rows_t *in, const es_rows_t *out,
                          uint32_t y0, uint32_t y1) {
    const int8_t pad = (int8_t)p->pad;
    job_t job = {.params = p, .in_w = in->w, .out_w = out->w, .c = in->c};

    for (uint32_t y = y0; y < y1; y++) {
        const uint32_t top = y * p->stride_h - p->pad_top;

        for (uint32_t i = 0; i < WINDOW; i++) {
            const int is_inside = top + i < in->h;

            job.lines[i].at = is_inside ? (const int8_t *)es_row(in, top + i) : &pad;
            job.lines[i].step = is_inside ? in->c : 0;
        }
        job.out = (int8_t *)es_row(out, y);
        for (uint32_t n = 0; n < in->c; n++) {
            channel(&job, n, weights + n * WINDOW * WINDOW, &scales[n]);
        }
    }
}
