/* Adapter of LOGISTIC and TANH of int16. */
#include "es_checks.h"
#include "es_kernels_16.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_sigmoid_16_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT16, ES_INT16)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_same_rows(in, out) || !es_is_between(p->shift, 0, 31)) {
        return ES_BAD_RECORD;
    }
    return es_has_blob(table, p->table, ES_SIGMOID_STEPS, sizeof(uint16_t), 2) ? ES_OK
                                                                               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_sigmoid_16_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_sigmoid_16(p, es_call_blob(call, p->table), &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_sigmoid_16 = {
    .id = 69,
    .check = check,
    .run = run,
};
