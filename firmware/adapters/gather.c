/* Adapter of GATHER. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_gather_params_t *p = es_step_params(step, table);

    if (step->input_count != 2) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *indices = &operands[1];
    const es_operand_record_t *out = &operands[2];
    const uint64_t bytes = es_dtype_bytes(out->dtype);
    return in->dtype == out->dtype && out->space == ES_SPACE_ARENA && indices->dtype == ES_INT32 &&
                   in->h == out->h && es_is_dense(indices) && p->axis != 0 &&
                   p->axis <= INT32_MAX &&
                   (uint64_t)es_row_elements(indices) * indices->h == p->indices &&
                   (uint64_t)p->axis * p->inner_bytes == es_row_elements(in) * bytes &&
                   (uint64_t)p->indices * p->inner_bytes == es_row_elements(out) * bytes
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_gather_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t indices = es_call_rows(call, 1);
    const es_rows_t out = es_call_output(call);

    es_gather(p, &in, (const int32_t *)(const void *)indices.base, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_gather = {
    .id = 17,
    .check = check,
    .run = run,
};
