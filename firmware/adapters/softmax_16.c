/* Adapter of SOFTMAX of int16. */
#include "es_checks.h"
#include "es_kernels_16.h"

static es_status_t check(const es_call_t *call) {
    const es_softmax_16_params_t *p = es_call_params(call);

    if (!es_call_has_types(call, 1, ES_INT16, ES_INT16)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = es_call_operand(call, 0);
    const es_operand_record_t *out = es_call_operand(call, 1);
    if (!es_same_extents(in, out) || !es_is_shift(p->shift)) {
        return ES_BAD_RECORD;
    }
    return es_call_has_blob(call, p->exponentials, ES_TABLE_16, sizeof(int16_t), 2) &&
                   es_call_has_blob(call, p->reciprocals, ES_TABLE_16, sizeof(int16_t), 2)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_softmax_16_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_softmax_16(p, es_call_blob(call, p->exponentials), es_call_blob(call, p->reciprocals), &in,
                  &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_softmax_16 = {
    .id = 68,
    .params_bytes = sizeof(es_softmax_16_params_t),
    .check = check,
    .run = run,
};
