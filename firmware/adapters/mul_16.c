/* Adapter of MUL of int16. */
#include "es_checks.h"
#include "es_kernels_16.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_mul_16_params_t *p = es_step_params(step, table);

    return es_is_binary_of(step, operands, ES_INT16) && es_is_shift(p->shift) ? ES_OK
                                                                              : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t a = es_call_rows(call, 0);
    const es_rows_t b = es_call_rows(call, 1);
    const es_rows_t out = es_call_output(call);

    es_mul_16(es_call_params(call), &a, &b, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_mul_16 = {
    .id = 67,
    .check = check,
    .run = run,
};
