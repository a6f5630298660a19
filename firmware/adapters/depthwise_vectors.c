/* Adapter of DEPTHWISE_CONV_2D by vectors. */
#include "es_adapter.h"
#include "es_kernels.h"

static int is_window(const es_depthwise_vectors_params_t *p) {
    const int by_one = p->stride_h == 1 && p->dilation_h == 1 && p->dilation_w == 1;
    const uint32_t most = p->stride_w == 1 ? ES_DEPTHWISE_SIDE - 1 : ES_DEPTHWISE_SIDE;

    return (p->stride_w == 2 || (p->stride_w == 1 && by_one)) && p->kernel_h <= most &&
           p->kernel_w <= most && (p->dilation_w == 1 || p->kernel_w == 1);
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_depthwise_vectors_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_axis_fits(out->h, p->stride_h, p->kernel_h, p->dilation_h) ||
        !es_axis_fits(out->w, p->stride_w, p->kernel_w, p->dilation_w) || !is_window(p) ||
        in->c != out->c || !es_is_int8(p->pad) || p->tile_w == 0) {
        return ES_BAD_RECORD;
    }
    const uint64_t aside = p->sets_aside ? (uint64_t)in->w * in->c : 0;
    const uint64_t columns = es_depthwise_vectors_columns(p, out->w);
    return es_has_blob(table, p->stream, out->c, sizeof(es_depthwise_channel_t), sizeof(int32_t)) &&
                   step->scratch_bytes >= columns * ES_DEPTHWISE_COLUMN_BYTES + aside
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_depthwise_vectors_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_depthwise_vectors(p, es_call_blob(call, p->stream), &in, &out, es_call_scratch(call),
                         call->y0, call->y1);
}

const es_kernel_t es_kernel_depthwise_vectors = {
    .id = 41,
    .check = check,
    .run = run,
};
