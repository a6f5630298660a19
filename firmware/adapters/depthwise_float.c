/* Adapter of DEPTHWISE_CONV_2D of float32. */
#include "es_checks.h"
#include "es_kernels_float.h"

static es_status_t check(const es_call_t *call) {
    const es_depthwise_float_params_t *p = es_call_params(call);

    if (!es_call_has_types(call, 1, ES_FLOAT32, ES_FLOAT32)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = es_call_operand(call, 0);
    const es_operand_record_t *out = es_call_operand(call, 1);
    if (!es_windows_fit(p) || (uint64_t)in->c * p->multiplier != out->c) {
        return ES_BAD_RECORD;
    }
    /* Both kernel extents are below 2^15. */
    const uint32_t taps = (uint32_t)p->kernel_h * p->kernel_w;
    return es_call_has_blob(call, p->biases, out->c, sizeof(float), sizeof(float)) &&
                   es_call_has_blob(call, p->weights, taps, out->c * (uint32_t)sizeof(float),
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
    .params_bytes = sizeof(es_depthwise_float_params_t),
    .check = check,
    .run = run,
};
