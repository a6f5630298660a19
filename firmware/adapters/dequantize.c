/* Adapter of DEQUANTIZE. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_dequantize_params_t *p = es_step_params(step, table);

    return es_has_types(step, operands, 1, ES_INT8, ES_FLOAT32) &&
                   es_same_rows(&operands[0], &operands[1]) && es_is_offset(p->zero_point)
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_dequantize_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_dequantize(p, &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_dequantize = {
    .id = 22,
    .check = check,
    .run = run,
};
