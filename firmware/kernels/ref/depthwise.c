/* DEPTHWISE_CONV_2D, portable: four output channels at a time, their sums in registers. */
#include "es_conv.h"
#include "es_kernels.h"

/* Where one output pixel looks. */
typedef struct site {
    const es_depthwise_params_t *p;
    const es_rows_t *in;
    uint32_t out_c;
    int32_t y, x; /* of tap (0, 0) in the image */
    es_taps_t ky, kx;
} site_t;

/* What `n` neighbouring taps read: tap i starts at x + i * step, its lane j reads j * spread on. */
typedef struct source {
    const int8_t *x;
    uint32_t step, spread;
} source_t;

static ES_OUT_OF_LINE void dot(es_lanes_t *l, const source_t *from, uint32_t n, uint32_t out_c) {
    const uint32_t step = from->step, s1 = from->spread, s3 = 3 * s1;
    const int8_t *x = from->x;
    const int8_t *w = l->weights;
    uint32_t a0 = l->acc[0], a1 = l->acc[1], a2 = l->acc[2], a3 = l->acc[3];

    if (l->lanes == 4) {
        for (; n > 0; n--, x += step, w += out_c) {
            a0 += (uint32_t)(x[0] * w[0]);
            a1 += (uint32_t)(x[s1] * w[1]);
            a2 += (uint32_t)(x[2 * s1] * w[2]);
            a3 += (uint32_t)(x[s3] * w[3]);
        }
    } else {
        for (; n > 0; n--, x += step, w += out_c) {
            a0 += (uint32_t)(*x * *w);
        }
    }
    l->weights = w;
    l->acc[0] = a0, l->acc[1] = a1, l->acc[2] = a2, l->acc[3] = a3;
}

/* All taps of the lanes whose first reads input channel `c`. */
static void window(const site_t *s, uint32_t c, es_lanes_t *l) {
    const es_depthwise_params_t *p = s->p;
    const int8_t pad = (int8_t)p->pad_value;
    const source_t outside = {.x = &pad};
    const uint32_t in_c = s->in->c;
    source_t inside = {.step = p->dilation_w * in_c, .spread = p->multiplier == 1};

    for (uint32_t ky = 0; ky < p->kernel_h; ky++) {
        if (ky < s->ky.first || ky >= s->ky.end) {
            dot(l, &outside, p->kernel_w, s->out_c);
            continue;
        }
        const uint32_t column = (uint32_t)s->x + s->kx.first * p->dilation_w;
        inside.x =
            (const int8_t *)es_row(s->in, (uint32_t)s->y + ky * p->dilation_h) + column * in_c + c;
        if (s->kx.first > 0) {
            dot(l, &outside, s->kx.first, s->out_c);
        }
        dot(l, &inside, s->kx.end - s->kx.first, s->out_c);
        if (s->kx.end < p->kernel_w) {
            dot(l, &outside, p->kernel_w - s->kx.end, s->out_c);
        }
    }
}

static void pixel(const site_t *s, int8_t *q, const es_depthwise_blobs_t *blobs) {
    const es_depthwise_params_t *p = s->p;
    const es_output_range_t range = {p->output_zero_point, p->act_min, p->act_max};
    /* Neighbouring output channels read neighbouring input channels, or all the same one. */
    const uint32_t unit = p->multiplier == 1 ? s->out_c : p->multiplier;
    es_lanes_t l;

    for (uint32_t first = 0, c0 = 0; first < s->out_c; first += unit, c0++) {
        for (uint32_t i = 0; i < unit; i += l.lanes) {
            const uint32_t n = first + i;

            l.lanes = unit - i >= 4 ? 4 : 1;
            l.weights = blobs->weights + n;
            es_lanes_start(&l, &blobs->channels[n]);
            window(s, p->multiplier == 1 ? i : c0, &l);
            es_lanes_finish(&l, &q[n], &blobs->channels[n], &range);
        }
    }
}

void es_depthwise(const es_depthwise_params_t *p, const es_depthwise_blobs_t *blobs,
                  const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    site_t s = {.p = p, .in = in, .out_c = out->c};

    for (uint32_t y = y0; y < y1; y++) {
        int8_t *q = (int8_t *)es_row(out, y);

        s.y = (int32_t)(y * p->stride_h) - p->pad_top;
        s.ky = es_taps(s.y, in->h, p->dilation_h, p->kernel_h);
        s.x = -(int32_t)p->pad_left;
        for (uint32_t x = 0; x < out->w; x++) {
            s.kx = es_taps(s.x, in->w, p->dilation_w, p->kernel_w);
            pixel(&s, q, blobs);
            q += out->c;
            s.x += p->stride_w;
        }
    }
}
