/* Adapter of SOFTMAX. */
#include "es_adapter.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    (void)table;
    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    return in->h == out->h && in->w == out->w && in->c == out->c ? ES_OK : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_softmax(es_call_params(call), &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_softmax = {
    .id = 8,
    .check = check,
    .run = run,
};
