/* Adapter of LOOK_UP. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_call_t *call) {
    const es_look_up_params_t *p = es_call_params(call);

    if (es_call_input_count(call) != 1) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = es_call_operand(call, 0);
    const es_operand_record_t *out = es_call_operand(call, 1);
    if (es_dtype_bytes(in->dtype) != 1 || es_dtype_bytes(out->dtype) != 1 ||
        !es_same_rows(in, out)) {
        return ES_BAD_RECORD;
    }
    return es_call_has_blob(call, p->table, 256, 1, 1) ? ES_OK : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_look_up_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_look_up(&in, &out, es_call_blob(call, p->table), call->y0, call->y1);
}

const es_kernel_t es_kernel_look_up = {
    .id = 9,
    .params_bytes = sizeof(es_look_up_params_t),
    .check = check,
    .run = run,
};
