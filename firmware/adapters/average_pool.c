/* Adapter of AVERAGE_POOL_2D. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_pool_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    /* The sum of 2^23 elements and half their count stay below 2^31. */
    return in->c == out->c && (uint32_t)p->kernel_h * p->kernel_w <= 1u << 23 &&
                   es_axis_fits(out->h, p->stride_h, p->kernel_h, 1) &&
                   es_axis_fits(out->w, p->stride_w, p->kernel_w, 1) &&
                   es_may_hold_window(in, p->kernel_h)
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_average_pool(es_call_params(call), &in, &out, call->y0, call->y1);
}

static es_status_t check_sum(const es_step_record_t *step, const es_operand_record_t *operands,
                             const es_header_t *table) {
    (void)table;
    if (!es_has_sums(step, operands)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    const uint64_t total = (uint64_t)es_row_elements(in) * in->h;
    return total <= INT32_MAX && (uint32_t)total % out->c == 0 &&
                   (uint32_t)total / out->c <= 1u << 23
               ? ES_OK
               : ES_BAD_RECORD;
}

static void sum(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_average_pool_sum(es_call_params(call), &in, &out, es_call_sums(call), call->y0, call->y1);
}

const es_kernel_t es_kernel_average_pool = {
    .id = 5,
    .check = check,
    .run = run,
    .check_sum = check_sum,
    .sum = sum,
};
