/* Adapter of PRELU. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_prelu_params_t *p = es_step_params(step, table);

    return es_is_binary(step, operands) && es_is_offset(p->input_offset) &&
                   es_is_offset(p->alpha_offset) && es_is_shift(p->positive_shift) &&
                   es_is_shift(p->negative_shift)
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_prelu_params_t *p = es_call_params(call);
    const es_rows_t a = es_call_rows(call, 0);
    const es_rows_t b = es_call_rows(call, 1);
    const es_rows_t out = es_call_output(call);

    es_prelu(p, &a, &b, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_prelu = {
    .id = 13,
    .check = check,
    .run = run,
};
