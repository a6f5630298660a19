/* Adapter of CONV_2D by pairs of output channels. */
#include "es_adapter.h"
#include "es_pairs.h"

/* True when no window, of `reach` elements of an axis, leaves it. */
static int stays_inside(uint32_t extent, uint32_t outputs, uint32_t stride, uint32_t reach,
                        uint32_t pad) {
    return pad == 0 && reach <= extent && (outputs - 1) * stride <= extent - reach;
}

static uint32_t scratch_bytes(const es_conv_pairs_params_t *p, const es_pairs_shape_t *shape,
                              const es_operand_record_t *in, const es_operand_record_t *out) {
    const uint32_t reach_h = (p->kernel_h - 1u) * p->dilation_h + 1u;
    const uint32_t reach_w = es_pairs_row_pixels(shape, in->c);
    const int is_plain = stays_inside(in->h, out->h, p->stride_h, reach_h, p->pad_top) &&
                         stays_inside(in->w, out->w, p->stride_w, reach_w, p->pad_left) &&
                         (p->dilation_w == 1 || p->kernel_w == 1);

    return es_pairs_tile_words(shape->quads, p->tile_pixels) * (uint32_t)sizeof(uint32_t) +
           (is_plain ? 0 : es_pairs_row_bytes(shape));
}

static es_status_t check(const es_call_t *call) {
    const es_conv_pairs_params_t *p = es_call_params(call);

    if (!es_call_has_types(call, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = es_call_operand(call, 0);
    const es_operand_record_t *out = es_call_operand(call, 1);
    if (!es_axis_fits(out->h, p->stride_h, p->kernel_h, p->dilation_h) ||
        !es_axis_fits(out->w, p->stride_w, p->kernel_w, p->dilation_w) ||
        (p->tile_pixels != ES_PAIRS_PIXELS && p->tile_pixels != 2)) {
        return ES_BAD_RECORD;
    }
    if (in->c > ES_PAIRS_MOST_TAPS / ((uint32_t)p->kernel_h * p->kernel_w)) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_pairs_shape_t shape = es_pairs_shape(p->kernel_h, p->kernel_w, in->c);
    const uint32_t pair_bytes =
        (ES_PAIRS_RECORD_WORDS + 2 * shape.quads) * (uint32_t)sizeof(uint32_t);
    const uint64_t pairs = (out->c + (uint64_t)1) / 2;
    return es_call_has_blob(call, p->stream, pairs * pair_bytes, sizeof(uint32_t)) &&
                   call->step->scratch_bytes >= scratch_bytes(p, &shape, in, out)
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
