/* Adapter of ADD, which is SUB as well. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_add_params_t *p = es_step_params(step, table);

    return es_is_binary(step, operands) && es_is_offset(p->offset_2) &&
                   es_is_between(p->shift_2, -31, 0) && es_is_between(p->output_shift, -31, 0)
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_add_params_t *p = es_call_params(call);
    const es_rows_t a = es_call_rows(call, 0);
    const es_rows_t b = es_call_rows(call, 1);
    const es_rows_t out = es_call_output(call);

    es_add(p, &a, &b, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_add = {
    .id = 10,
    .check = check,
    .run = run,
};
