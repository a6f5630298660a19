/* Adapter of MEAN, SUM and REDUCE_MAX over all but the innermost dimension. */
#include "es_checks.h"
#include "es_kernels.h"

static int has_pixels(const es_step_record_t *step, const es_operand_record_t *operands,
                      const es_header_t *table) {
    const es_reduce_pixels_params_t *p = es_step_params(step, table);

    return p->mode <= ES_REDUCE_SUM_UNSIGNED && es_row_elements(&operands[0]) % operands[1].c == 0;
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    /* Of a ring the rows of one turn are read, which the runtime bounds; here all of them. */
    return es_has_types(step, operands, 1, ES_INT8, ES_INT8) && es_is_dense(&operands[0]) &&
                   es_is_pixel(&operands[1]) && has_pixels(step, operands, table)
               ? ES_OK
               : ES_BAD_RECORD;
}

static es_status_t check_sum(const es_step_record_t *step, const es_operand_record_t *operands,
                             const es_header_t *table) {
    return es_has_sums(step, operands) && has_pixels(step, operands, table) ? ES_OK : ES_BAD_RECORD;
}

static void sum(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_reduce_pixels(es_call_params(call), &in, &out, es_call_sums(call), call->y0, call->y1);
}

static void run(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_reduce_pixels(es_call_params(call), &in, &out, NULL, 0, in.h);
}

const es_kernel_t es_kernel_reduce_pixels = {
    .id = 27,
    .check = check,
    .run = run,
    .check_sum = check_sum,
    .sum = sum,
};
