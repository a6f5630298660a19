/* Adapter of CONV_2D by pairs of output channels. */
#include "es_adapter.h"
#include "es_pairs.h"

/* True when no window, of `reach` elements of an axis, leaves it. */
static int stays_inside(uint32_t extent, uint32_t outputs, uint32_t stride, uint32_t reach) {
    return reach <= extent && (outputs - 1) * stride <= extent - reach;
}

/* True when windows are read where they lie, and no row of one is set out in the scratch. */
static int is_plain(const es_conv_pairs_params_t *p, const es_pairs_shape_t *shape,
                    const es_operand_record_t *in, const es_operand_record_t *out) {
    return p->pad_top == 0 && p->pad_left == 0 && (p->dilation_w == 1 || p->kernel_w == 1) &&
           stays_inside(in->h, out->h, p->stride_h, (p->kernel_h - 1u) * p->dilation_h + 1u) &&
           stays_inside(in->w, out->w, p->stride_w, es_pairs_row_pixels(shape, in->c));
}

static es_status_t check(const es_call_t *call) {
    const es_conv_pairs_params_t *p = es_call_params(call);

    if (!es_call_has_types(call, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = es_call_operand(call, 0);
    const es_operand_record_t *out = es_call_operand(call, 1);
    if (!es_windows_fit(p) || (p->tile_pixels != ES_PAIRS_PIXELS && p->tile_pixels != 2)) {
        return ES_BAD_RECORD;
    }
    if ((uint64_t)((uint32_t)p->kernel_h * p->kernel_w) * in->c > ES_PAIRS_MOST_TAPS) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_pairs_shape_t shape = es_pairs_shape(p->kernel_h, p->kernel_w, in->c);
    const uint32_t words = ES_PAIRS_RECORD_WORDS + 2 * shape.quads;
    const uint32_t tile_words = es_pairs_tile_words(shape.quads, p->tile_pixels);
    const uint32_t left = call->step->scratch_bytes - tile_words * (uint32_t)sizeof(uint32_t);
    /* An output in the arena has fewer than 2^31 channels. */
    return es_call_has_blob(call, p->stream, (out->c + 1) / 2, words * sizeof(uint32_t), 4) &&
                   call->step->scratch_bytes / sizeof(uint32_t) >= tile_words &&
                   (left >= es_pairs_row_bytes(&shape) || is_plain(p, &shape, in, out))
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_conv_pairs_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_conv_pairs(p, es_call_blob(call, p->stream), &in, &out, es_call_scratch(call), call->y0,
                  call->y1);
}

const es_kernel_t es_kernel_conv_pairs = {
    .id = 25,
    .params_bytes = sizeof(es_conv_pairs_params_t),
    .check = check,
    .run = run,
};
