/* Adapter of RELU, RELU6, RELU_N1_TO_1, LOGISTIC and TANH of float32. */
#include "es_checks.h"
#include "es_kernels_float.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_unary_float_params_t *p = es_step_params(step, table);

    return es_has_types(step, operands, 1, ES_FLOAT32, ES_FLOAT32) &&
                   p->function <= ES_FLOAT_TANH && es_same_rows(&operands[0], &operands[1])
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_unary_float(es_call_params(call), &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_unary_float = {
    .id = 86,
    .check = check,
    .run = run,
};
