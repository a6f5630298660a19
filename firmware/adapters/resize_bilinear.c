/* Adapter of RESIZE_BILINEAR. */
#include "es_checks.h"
#include "es_kernels.h"

/* Fractions in [-512, 1536] keep every sum of the kernel in 31 bits. */
static int are_below(const es_header_t *table, uint32_t blob, uint32_t count, uint32_t limit) {
    if (!es_has_blob(table, blob, count, sizeof(es_between_t), 4)) {
        return 0;
    }
    const es_between_t *places = es_table_blob(table, blob);
    for (uint32_t i = 0; i < count; i++) {
        if (places[i].low >= limit || places[i].high >= limit ||
            !es_is_between(places[i].fraction, -512, 1536)) {
            return 0;
        }
    }
    return 1;
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_resize_bilinear_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (in->c != out->c) {
        return ES_BAD_RECORD;
    }
    return are_below(table, p->rows, out->h, in->h) && are_below(table, p->columns, out->w, in->w)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_resize_bilinear_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_resize_bilinear(&in, &out, es_call_blob(call, p->rows), es_call_blob(call, p->columns),
                       call->y0, call->y1);
}

const es_kernel_t es_kernel_resize_bilinear = {
    .id = 19,
    .check = check,
    .run = run,
};
