/* DEPTHWISE_CONV_2D, portable: four output channels at a time, their sums in registers. */
#include "es_conv.h"
#include "es_kernels.h"

/* What some output channels read. */
typedef struct source {
    const int8_t *weights; /* of tap 0 */
    uint32_t c0;           /* input channel of the first */
    uint32_t own;          /* four lanes, each with its own input */
    uint32_t out_c;
    uint32_t kernel_w;
} source_t;

/* The next lanes' sums over a patch. Lanes that share their input are four, or one. */
static inline void add_patch(es_lanes_t *l, const source_t *s, const es_patch_t *t, uint32_t k) {
    const uint32_t out_c = s->out_c, dx = t->dx;
    const int8_t *w = s->weights + t->first * out_c;
    uint32_t a0 = l->acc[0], a1 = l->acc[1], a2 = l->acc[2], a3 = l->acc[3];
    uint32_t i = 0;

    do {
        const int8_t *x = es_patch_row(t, i, k) + s->c0;
        uint32_t n = t->taps;

        if (s->own) {
            do {
                a0 += (uint32_t)(x[0] * w[0]);
                a1 += (uint32_t)(x[1] * w[1]);
                a2 += (uint32_t)(x[2] * w[2]);
                a3 += (uint32_t)(x[3] * w[3]);
                x += dx;
                w += out_c;
            } while (--n > 0);
        } else {
            do {
                a0 += (uint32_t)(*x * w[0]);
                if (l->count == 4) {
                    a1 += (uint32_t)(*x * w[1]);
                    a2 += (uint32_t)(*x * w[2]);
                    a3 += (uint32_t)(*x * w[3]);
                }
                x += dx;
                w += out_c;
            } while (--n > 0);
        }
        w += (s->kernel_w - t->taps) * out_c;
    } while (++i < t->rows);
    l->acc[0] = a0, l->acc[1] = a1, l->acc[2] = a2, l->acc[3] = a3;
}

/* Some output channels of all pixels of a span. */
static ES_OUT_OF_LINE void block(const es_span_t *span, const source_t *s,
                                 const es_channel_t *channels, uint32_t lanes,
                                 const es_output_range_t *range, int8_t *q) {
    for (uint32_t k = 0; k < span->pixels; k++, q += s->out_c) {
        es_lanes_t l = es_lanes_start(channels, lanes);

        for (uint32_t i = 0; i < span->patch_count; i++) {
            add_patch(&l, s, &span->patches[i], k);
        }
        es_lanes_finish(&l, q, channels, range);
    }
}

static void pixels(const es_depthwise_params_t *p, const es_depthwise_blobs_t *blobs,
                   const es_span_t *span, int8_t *q, uint32_t out_c) {
    const es_output_range_t range = {p->output_zero_point, p->act_min, p->act_max};
    /* Neighbouring output channels read neighbouring input channels, or all the same one. */
    const uint32_t unit = p->multiplier == 1 ? out_c : p->multiplier;
    const es_channel_t *channels = blobs->channels;
    source_t s = {blobs->weights, 0, 0, out_c, p->kernel_w};

    for (uint32_t first = 0; first < out_c; first += unit, s.c0++) {
        for (uint32_t left = unit; left > 0;) {
            const uint32_t lanes = left >= 4 ? 4 : 1;

            s.own = p->multiplier == 1 && lanes == 4;
            block(span, &s, channels, lanes, &range, q);
            s.c0 += p->multiplier == 1 ? lanes : 0;
            s.weights += lanes;
            channels += lanes;
            q += lanes;
            left -= lanes;
        }
    }
}

void es_depthwise(const es_depthwise_params_t *p, const es_depthwise_blobs_t *blobs,
                  const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1) {
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
    es_span_t span;

    for (uint32_t y = y0; y < y1; y++) {
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x += span.pixels) {
            es_span_at(&window, y, x, out->w, &span);
            pixels(p, blobs, &span, q + x * out->c, out->c);
        }
    }
}
