/* Adapter of FULLY_CONNECTED of int16. */
#include "es_checks.h"
#include "es_kernels_16.h"

/* A shift out of its range is undefined. */
static int are_shifts(const es_dense_channel_16_t *channels, uint32_t count) {
    for (uint32_t n = 0; n < count; n++) {
        if (!es_is_between(channels[n].shift, 1, 127)) {
            return 0;
        }
    }
    return 1;
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_fully_connected_16_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT16, ES_INT16)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (in->h != out->h || out->w != 1) {
        return ES_BAD_RECORD;
    }
    if (!es_has_blob(table, p->weights, es_row_elements(in), out->c, 1) ||
        !es_has_blob(table, p->channels, out->c, sizeof(es_dense_channel_16_t), 8)) {
        return ES_OUT_OF_BOUNDS;
    }
    return are_shifts(es_table_blob(table, p->channels), out->c) ? ES_OK : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_fully_connected_16_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_fully_connected_16(p, es_call_blob(call, p->weights), es_call_blob(call, p->channels), &in,
                          &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_fully_connected_16 = {
    .id = 62,
    .check = check,
    .run = run,
};
