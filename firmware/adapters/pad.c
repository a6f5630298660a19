/* Adapter of PAD and PADV2. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_pad_params_t *p = es_step_params(step, table);

    if (step->input_count != 1) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    const uint32_t in_row = es_row_elements(in), out_row = es_row_elements(out);
    if (in->dtype != out->dtype || out->space != ES_SPACE_ARENA ||
        es_dtype_bytes(out->dtype) > sizeof p->value || p->dims[0] != out->h ||
        p->inner[0] != in->h || es_product(p->dims + 1, ES_PAD_DIMS - 1, out_row) != out_row ||
        es_product(p->inner + 1, ES_PAD_DIMS - 1, in_row) != in_row) {
        return ES_BAD_RECORD;
    }
    for (uint32_t i = 0; i < ES_PAD_DIMS; i++) {
        if ((uint64_t)p->before[i] + p->inner[i] > p->dims[i]) {
            return ES_BAD_RECORD;
        }
    }
    return ES_OK;
}

static void run(const es_call_t *call) {
    const es_pad_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_pad(p, &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_pad = {
    .id = 16,
    .check = check,
    .run = run,
};
