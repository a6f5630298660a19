/* Adapter of ADD, SUB and MUL of float32. */
#include "es_checks.h"
#include "es_kernels_float.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_binary_float_params_t *p = es_step_params(step, table);

    return es_is_binary_of(step, operands, ES_FLOAT32) && p->function <= ES_FLOAT_MUL
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t a = es_call_rows(call, 0);
    const es_rows_t b = es_call_rows(call, 1);
    const es_rows_t out = es_call_output(call);

    es_binary_float(es_call_params(call), &a, &b, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_binary_float = {
    .id = 85,
    .check = check,
    .run = run,
};
