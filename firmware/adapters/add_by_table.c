/* Adapter of ADD by a table. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_add_by_table_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 2, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *out = &operands[2];
    if (!es_same_extents(&operands[0], out) || !es_same_extents(&operands[1], out) ||
        !es_is_between(p->exponent, 1, 31)) {
        return ES_BAD_RECORD;
    }
    return es_has_blob(table, p->table, 256, sizeof(int32_t), 4) ? ES_OK : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_add_by_table_params_t *p = es_call_params(call);
    const es_rows_t a = es_call_rows(call, 0);
    const es_rows_t b = es_call_rows(call, 1);
    const es_rows_t out = es_call_output(call);

    es_add_by_table(p, &a, &b, &out, es_call_blob(call, p->table), call->y0, call->y1);
}

const es_kernel_t es_kernel_add_by_table = {
    .id = 31,
    .check = check,
    .run = run,
};
