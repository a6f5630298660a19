/* Adapter of MEAN, SUM and REDUCE_MAX. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_reduce_params_t *p = es_step_params(step, table);

    return es_has_types(step, operands, 1, ES_INT8, ES_INT8) && p->mode <= ES_REDUCE_SUM_UNSIGNED &&
                   es_is_shift(p->shift)
               ? es_check_boxes(operands, p->kept_dims, p->kept_strides, p->reduced_dims,
                                p->reduced_strides)
               : ES_BAD_RECORD;
}

static es_status_t check_sum(const es_step_record_t *step, const es_operand_record_t *operands,
                             const es_header_t *table) {
    const es_reduce_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    const uint64_t total = (uint64_t)es_row_elements(in) * in->h;
    /* The runtime has checked that the output's sums fit the arena: its elements fit 32 bits. */
    return p->mode <= ES_REDUCE_SUM_UNSIGNED && es_is_shift(p->shift) && total <= INT32_MAX &&
                   (uint32_t)total % es_row_elements(out) == 0
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_reduce_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_reduce(p, &in, &out, call->y0, call->y1);
}

static void sum(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_reduce_sum(es_call_params(call), &in, &out, es_call_sums(call), call->y0, call->y1);
}

const es_kernel_t es_kernel_reduce = {
    .id = 7,
    .check = check,
    .run = run,
    .check_sum = check_sum,
    .sum = sum,
};
