/* Adapter of COPY. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_copy_params_t *p = es_step_params(step, table);

    if (step->input_count != 1) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    const uint32_t row = es_row_elements(out);
    if (in->dtype != out->dtype || out->space != ES_SPACE_ARENA || p->dims[0] != out->h ||
        es_product(p->dims + 1, ES_COPY_DIMS - 1, row) != row) {
        return ES_BAD_RECORD;
    }
    int64_t low = p->start, high = p->start;
    es_reach(p->dims, p->strides, ES_COPY_DIMS, &low, &high);
    const int64_t last_row = p->first_row + (int64_t)(out->h - 1) * p->row_step;
    return low >= 0 && high < (int64_t)es_row_elements(in) && p->first_row < in->h &&
                   last_row >= 0 && last_row < in->h
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_copy_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_copy(p, &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_copy = {
    .id = 14,
    .check = check,
    .run = run,
};
