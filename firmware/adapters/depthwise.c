/* Adapter of DEPTHWISE_CONV_2D. */
#include "es_adapter.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_depthwise_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_windows_fit(p) || (uint64_t)in->c * p->multiplier != out->c) {
        return ES_BAD_RECORD;
    }
    const uint32_t taps = (uint32_t)p->kernel_h * p->kernel_w;
    return es_has_blob(table, p->weights, taps, out->c, 1) &&
                   es_has_blob(table, p->channels, out->c, sizeof(es_channel_t), 4) &&
                   es_has_blob(table, p->pads, in->c, 1, 1)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_depthwise_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);
    const es_depthwise_blobs_t blobs = {
        .weights = es_call_blob(call, p->weights),
        .channels = es_call_blob(call, p->channels),
        .pads = es_call_blob(call, p->pads),
    };

    es_depthwise(p, &blobs, &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_depthwise = {
    .id = 2,
    .check = check,
    .run = run,
};
