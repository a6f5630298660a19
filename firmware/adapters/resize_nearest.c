/* Adapter of RESIZE_NEAREST_NEIGHBOR. */
#include "es_checks.h"
#include "es_kernels.h"

static int are_below(const es_header_t *table, uint32_t blob, uint32_t count, uint32_t limit) {
    if (!es_has_blob(table, blob, count, sizeof(uint16_t), 2)) {
        return 0;
    }
    const uint16_t *indices = es_table_blob(table, blob);
    for (uint32_t i = 0; i < count; i++) {
        if (indices[i] >= limit) {
            return 0;
        }
    }
    return 1;
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_resize_nearest_params_t *p = es_step_params(step, table);

    if (step->input_count != 1) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (in->dtype != out->dtype || out->space != ES_SPACE_ARENA || in->c != out->c) {
        return ES_BAD_RECORD;
    }
    return are_below(table, p->rows, out->h, in->h) && are_below(table, p->columns, out->w, in->w)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_resize_nearest_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_resize_nearest(&in, &out, es_call_blob(call, p->rows), es_call_blob(call, p->columns),
                      call->y0, call->y1);
}

const es_kernel_t es_kernel_resize_nearest = {
    .id = 18,
    .check = check,
    .run = run,
};
