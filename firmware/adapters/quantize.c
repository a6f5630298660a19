/* Adapter of QUANTIZE. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_call_t *call) {
    const es_quantize_params_t *p = es_call_params(call);

    if (!es_call_has_types(call, 1, ES_FLOAT32, ES_INT8) &&
        !es_call_has_types(call, 1, ES_FLOAT32, ES_UINT8)) {
        return ES_BAD_RECORD;
    }
    return es_same_rows(es_call_operand(call, 0), es_call_operand(call, 1)) &&
                   es_is_offset(p->zero_point)
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_quantize_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_quantize(p, &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_quantize = {
    .id = 21,
    .params_bytes = sizeof(es_quantize_params_t),
    .check = check,
    .run = run,
};
