/* Adapter of DEPTHWISE_CONV_2D by pairs of rows. */
#include "es_adapter.h"
#include "es_kernels.h"

static es_status_t check(const es_call_t *call) {
    const es_depthwise_pairs_params_t *p = es_call_params(call);

    if (!es_call_has_types(call, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = es_call_operand(call, 0);
    const es_operand_record_t *out = es_call_operand(call, 1);
    if (!es_axis_fits(out->h, p->stride_h, p->kernel_h, p->dilation_h) ||
        !es_axis_fits(out->w, p->stride_w, p->kernel_w, p->dilation_w) || in->c != out->c ||
        in->c < 4 || !es_is_int8(p->pad) || p->tile_w == 0) {
        return ES_BAD_RECORD;
    }
    /* Extents and strides that fit an axis leave these products in 64 bits. */
    const es_depthwise_scratch_t parts = es_depthwise_scratch(p, out->w);
    const uint64_t channel_words = parts.weight_words + 4;
    const uint64_t aside = p->sets_aside ? (uint64_t)in->w * in->c : 0;
    const uint64_t bytes = (parts.column_words + 4 * parts.weight_words) * sizeof(uint32_t) + aside;
    return es_call_has_blob(call, p->stream, out->c * channel_words * sizeof(uint32_t), 4) &&
                   call->step->scratch_bytes >= bytes
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_depthwise_pairs_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_depthwise_pairs(p, es_call_blob(call, p->stream), &in, &out, es_call_scratch(call), call->y0,
                       call->y1);
}

const es_kernel_t es_kernel_depthwise_pairs = {
    .id = 26,
    .params_bytes = sizeof(es_depthwise_pairs_params_t),
    .check = check,
    .run = run,
};
