/* Adapter of MEAN of float32. */
#include "es_checks.h"
#include "es_kernels_float.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_mean_float_params_t *p = es_step_params(step, table);

    return es_has_types(step, operands, 1, ES_FLOAT32, ES_FLOAT32)
               ? es_check_boxes(operands, p->kept_dims, p->kept_strides, p->reduced_dims,
                                p->reduced_strides)
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_mean_float(es_call_params(call), &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_mean_float = {
    .id = 84,
    .check = check,
    .run = run,
};
