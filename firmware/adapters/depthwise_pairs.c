/* Adapter of DEPTHWISE_CONV_2D by pairs of rows. */
#include "es_adapter.h"
#include "es_kernels.h"

/* The rows of the image that output rows computed together see, in pairs. */
static uint64_t pairs_seen(const es_depthwise_pairs_params_t *p) {
    const int is_3x3 = p->kernel_h == 3 && p->kernel_w == 3 && p->dilation_w == 1;
    const int by_two = is_3x3 && p->dilation_h == 1 && p->stride_h == p->stride_w;

    return (p->kernel_h + (by_two && p->stride_h <= 2 ? p->stride_h : 0u) + 1u) / 2;
}

static es_status_t check(const es_call_t *call) {
    const es_depthwise_pairs_params_t *p = es_call_params(call);

    if (!es_call_has_types(call, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = es_call_operand(call, 0);
    const es_operand_record_t *out = es_call_operand(call, 1);
    if (!es_axis_fits(out->h, p->stride_h, p->kernel_h, p->dilation_h) ||
        !es_axis_fits(out->w, p->stride_w, p->kernel_w, p->dilation_w) || in->c != out->c ||
        in->c < 4 || !es_is_int8(p->pad)) {
        return ES_BAD_RECORD;
    }
    const uint64_t weight_words = ((p->kernel_h + 1u) / 2 * (uint64_t)p->kernel_w + 1) / 2;
    const uint64_t columns = (out->w - 1u) * p->stride_w + (p->kernel_w - 1u) * p->dilation_w + 1u;
    /* In the order in which the products could overflow. */
    if (weight_words > UINT32_MAX / 4 || columns > UINT32_MAX / 4 ||
        !es_call_has_blob(call, p->stream, out->c * (weight_words + 4) * sizeof(uint32_t), 4)) {
        return ES_OUT_OF_BOUNDS;
    }
    const uint64_t words = 4 * pairs_seen(p) * columns + 2 * weight_words;
    return call->step->scratch_bytes >= words * sizeof(uint32_t) ? ES_OK : ES_OUT_OF_BOUNDS;
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
