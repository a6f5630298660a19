/* Adapter of DEPTHWISE_CONV_2D by columns. */
#include "es_adapter.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_depthwise_columns_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_axis_fits(out->h, p->stride_h, 3, 1) || !es_axis_fits(out->w, p->stride_w, 3, 1) ||
        p->stride_w > 2 || in->c != out->c) {
        return ES_BAD_RECORD;
    }
    return es_has_blob(table, p->weights, out->c, 9, 1) &&
                   es_has_blob(table, p->scales, out->c, sizeof(es_scale_t), 4)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_depthwise_columns_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_depthwise_columns(p, es_call_blob(call, p->weights), es_call_blob(call, p->scales), &in,
                         &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_depthwise_columns = {
    .id = 49,
    .check = check,
    .run = run,
};
