/* Adapter of SOFTMAX of float32. */
#include "es_checks.h"
#include "es_kernels_float.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    (void)table;
    return es_has_types(step, operands, 1, ES_FLOAT32, ES_FLOAT32) &&
                   es_same_extents(&operands[0], &operands[1])
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_softmax_float(es_call_params(call), &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_softmax_float = {
    .id = 87,
    .check = check,
    .run = run,
};
