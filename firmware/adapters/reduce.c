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

static void run(const es_call_t *call) {
    const es_reduce_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_reduce(p, &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_reduce = {
    .id = 7,
    .check = check,
    .run = run,
};
