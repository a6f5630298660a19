/* Adapter of ARG_MAX. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_arg_max_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT32) &&
        !es_has_types(step, operands, 1, ES_INT8, ES_INT64)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    return in->h == out->h && p->axis != 0 && es_row_elements(out) == p->inner &&
                   (uint64_t)p->axis * p->inner == es_row_elements(in)
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_arg_max_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_arg_max(p, &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_arg_max = {
    .id = 20,
    .check = check,
    .run = run,
};
