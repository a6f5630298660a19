/* CONV_2D, portable: four output channels at a time share each input load. */
#include "es_conv.h"
#include "es_kernels.h"

/* Where one output pixel looks. */
typedef struct site {
    const es_conv2d_params_t *p;
    const es_rows_t *in;
    const int8_t *pads;
    int32_t y, x; /* of tap (0, 0) in the image */
    es_taps_t ky, kx;
} site_t;

static ES_OUT_OF_LINE void dot(es_lanes_t *l, const int8_t *x, uint32_t n) {
    es_lanes_dot(l, x, n, 0);
}

/* Row `ky` of the window inside the image, for channels that read input channels from c0. */
static void row_inside(const site_t *s, uint32_t ky, uint32_t c0, es_lanes_t *l) {
    const es_conv2d_params_t *p = s->p;
    const uint32_t in_c = s->in->c, weight_c = p->weight_c;
    const uint32_t first = s->kx.first, end = s->kx.end;
    const uint32_t column = (uint32_t)s->x + first * p->dilation_w;
    const int8_t *x =
        (const int8_t *)es_row(s->in, (uint32_t)s->y + ky * p->dilation_h) + column * in_c + c0;

    if (first > 0) {
        dot(l, s->pads, first * weight_c);
    }
    if (p->dilation_w == 1 && weight_c == in_c) {
        /* Neighbouring taps are neighbouring bytes: one run instead of one a tap. */
        dot(l, x, (end - first) * in_c);
    } else {
        for (uint32_t kx = first; kx < end; kx++, x += p->dilation_w * in_c) {
            dot(l, x, weight_c);
        }
    }
    if (end < p->kernel_w) {
        dot(l, s->pads, (p->kernel_w - end) * weight_c);
    }
}

static void window(const site_t *s, uint32_t c0, es_lanes_t *l) {
    for (uint32_t ky = 0; ky < s->p->kernel_h; ky++) {
        if (ky >= s->ky.first && ky < s->ky.end) {
            row_inside(s, ky, c0, l);
        } else {
            dot(l, s->pads, s->p->kernel_w * s->p->weight_c);
        }
    }
}

static void pixel(const site_t *s, int8_t *q, uint32_t out_c, const int8_t *weights,
                  const es_channel_t *channels) {
    const es_conv2d_params_t *p = s->p;
    const uint32_t group = out_c / (s->in->c / p->weight_c);
    const es_output_range_t range = {p->output_zero_point, p->act_min, p->act_max};
    es_lanes_t l = {.weights = weights};
    uint32_t n = 0;

    for (uint32_t c0 = 0; n < out_c; c0 += p->weight_c) {
        const uint32_t end = n + group;
        while (n < end) {
            l.lanes = end - n >= 4 ? 4 : 1;
            es_lanes_start(&l, &channels[n]);
            window(s, c0, &l);
            es_lanes_finish(&l, &q[n], &channels[n], &range);
            n += l.lanes;
        }
    }
}

void es_conv2d(const es_conv2d_params_t *p, const es_conv2d_blobs_t *blobs, const es_rows_t *in,
               const es_rows_t *out, uint32_t y0, uint32_t y1) {
    site_t s = {.p = p, .in = in, .pads = blobs->pads};

    for (uint32_t y = y0; y < y1; y++) {
        int8_t *q = (int8_t *)es_row(out, y);

        s.y = (int32_t)(y * p->stride_h) - p->pad_top;
        s.ky = es_taps(s.y, in->h, p->dilation_h, p->kernel_h);
        s.x = -(int32_t)p->pad_left;
        for (uint32_t x = 0; x < out->w; x++) {
            s.kx = es_taps(s.x, in->w, p->dilation_w, p->kernel_w);
            pixel(&s, q, out->c, blobs->weights, blobs->channels);
            q += out->c;
            s.x += p->stride_w;
        }
    }
}
