/* Adapter of DEPTHWISE_CONV_2D by pairs of rows. */
#include "es_depthwise_checks.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    return es_check_depthwise_pairs(step, operands, table);
}

static void run(const es_call_t *call) {
    const es_depthwise_pairs_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_depthwise_pairs(p, es_call_blob(call, p->stream), &in, &out, es_call_scratch(call), call->y0,
                       call->y1);
}

const es_kernel_t es_kernel_depthwise_pairs = {
    .id = 26,
    .check = check,
    .run = run,
};
