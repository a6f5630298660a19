/* CONV_2D, portable: four output channels at a time share each input load. */
#include "es_conv.h"
#include "es_kernels.h"

/* What some output channels read. */
typedef struct source {
    const int8_t *weights;
    uint32_t c0, channels; /* the group's input channels */
    uint32_t kernel_w;
} source_t;

static inline void add_patch(es_lanes_t *l, const source_t *s, const es_patch_t *t, uint32_t k) {
    const uint32_t lanes = l->count;
    /* Neighbouring taps that are neighbouring bytes are one run. */
    const int joined = t->dx == s->channels;
    const uint32_t runs = joined ? 1 : t->taps;
    const uint32_t run = joined ? t->taps * s->channels : s->channels;
    const int8_t *w = s->weights + t->first * s->channels * lanes;
    uint32_t a0 = l->acc[0], a1 = l->acc[1], a2 = l->acc[2], a3 = l->acc[3];

    for (uint32_t i = 0; i < t->rows; i++) {
        const int8_t *row = es_patch_row(t, i, k) + s->c0;

        for (uint32_t j = 0; j < runs; j++) {
            const int8_t *x = row + j * t->dx, *end = x + run;

            if (lanes == 4) {
                do {
                    a0 += (uint32_t)(*x * w[0]);
                    a1 += (uint32_t)(*x * w[1]);
                    a2 += (uint32_t)(*x * w[2]);
                    a3 += (uint32_t)(*x * w[3]);
                    w += 4;
                } while (++x != end);
            } else {
                do {
                    a0 += (uint32_t)(*x * *w++);
                } while (++x != end);
            }
        }
        w += (s->kernel_w - t->taps) * s->channels * lanes;
    }
    l->acc[0] = a0, l->acc[1] = a1, l->acc[2] = a2, l->acc[3] = a3;
}

/* Output channels [n, n + lanes) of all pixels of a span. */
static ES_OUT_OF_LINE void block(const es_span_t *span, const source_t *s,
                                 const es_channel_t *channels, uint32_t lanes,
                                 const es_output_range_t *range, int8_t *q, uint32_t out_c) {
    for (uint32_t k = 0; k < span->pixels; k++, q += out_c) {
        es_lanes_t l = es_lanes_start(channels, lanes);

        for (uint32_t i = 0; i < span->patch_count; i++) {
            add_patch(&l, s, &span->patches[i], k);
        }
        es_lanes_finish(&l, q, channels, range);
    }
}

static void pixels(const es_conv2d_params_t *p, const es_conv2d_blobs_t *blobs, uint32_t groups,
                   const es_span_t *span, int8_t *q, uint32_t out_c) {
    const es_output_range_t range = {p->output_zero_point, p->act_min, p->act_max};
    const uint32_t size = (uint32_t)p->kernel_h * p->kernel_w * p->weight_c;
    const es_channel_t *channels = blobs->channels;
    source_t s = {blobs->weights, 0, p->weight_c, p->kernel_w};

    for (uint32_t g = 0; g < groups; g++, s.c0 += p->weight_c) {
        for (uint32_t left = out_c / groups; left > 0;) {
            const uint32_t lanes = left >= 4 ? 4 : 1;

            block(span, &s, channels, lanes, &range, q, out_c);
            s.weights += size * lanes;
            channels += lanes;
            q += lanes;
            left -= lanes;
        }
    }
}

void es_conv2d(const es_conv2d_params_t *p, const es_conv2d_blobs_t *blobs, const es_rows_t *in,
               const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const es_window_t window = {
        .in = in,
        .pads = blobs->pads,
        .kernel_h = p->kernel_h,
        .kernel_w = p->kernel_w,
        .stride_h = p->stride_h,
        .stride_w = p->stride_w,
        .dilation_h = p->dilation_h,
        .dilation_w = p->dilation_w,
        .pad_top = p->pad_top,
        .pad_left = p->pad_left,
    };
    const uint32_t groups = in->c / p->weight_c;
    es_span_t span;

    for (uint32_t y = y0; y < y1; y++) {
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x += span.pixels) {
            es_span_at(&window, y, x, out->w, &span);
            pixels(p, blobs, groups, &span, q + x * out->c, out->c);
        }
    }
}
