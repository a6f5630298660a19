/* Adapter of LOOK_UP. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_look_up_params_t *p = es_step_params(step, table);

    if (step->input_count != 1) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (es_dtype_bytes(in->dtype) != 1 || es_dtype_bytes(out->dtype) != 1 ||
        out->space != ES_SPACE_ARENA || !es_same_rows(in, out)) {
        return ES_BAD_RECORD;
    }
    return es_has_blob(table, p->table, 256, 1, 1) ? ES_OK : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_look_up_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_look_up(&in, &out, es_call_blob(call, p->table), call->y0, call->y1);
}

const es_kernel_t es_kernel_look_up = {
    .id = 9,
    .check = check,
    .run = run,
};
