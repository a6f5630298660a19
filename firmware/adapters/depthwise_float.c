/* Adapter of DEPTHWISE_CONV_2D of float32. */
#include "es_checks.h"
#include "es_kernels_float.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_depthwise_float_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_FLOAT32, ES_FLOAT32)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_windows_fit(p) || (uint64_t)in->c * p->multiplier != out->c) {
        return ES_BAD_RECORD;
    }
    /* Both kernel extents are below 2^15. */
    const uint32_t taps = (uint32_t)p->kernel_h * p->kernel_w;
    return es_has_blob(table, p->biases, out->c, sizeof(float), sizeof(float)) &&
                   es_has_blob(table, p->weights, taps, out->c * (uint32_t)sizeof(float),
                               sizeof(float))
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_depthwise_float_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_depthwise_float(p, es_call_blob(call, p->weights), es_call_blob(call, p->biases), &in, &out,
                       call->y0, call->y1);
}

const es_kernel_t es_kernel_depthwise_float = {
    .id = 81,
    .check = check,
    .run = run,
};
