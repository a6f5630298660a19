/* Adapter of FULLY_CONNECTED of float32. */
#include "es_checks.h"
#include "es_kernels_float.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_fully_connected_float_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_FLOAT32, ES_FLOAT32)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (in->h != out->h || out->w != 1) {
        return ES_BAD_RECORD;
    }
    /* A row of the input lies in memory: its bytes are no more than 32 bits. */
    return es_has_blob(table, p->weights, out->c, es_row_elements(in) * (uint32_t)sizeof(float),
                       sizeof(float)) &&
                   es_has_blob(table, p->biases, out->c, sizeof(float), sizeof(float))
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_fully_connected_float_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_fully_connected_float(p, es_call_blob(call, p->weights), es_call_blob(call, p->biases), &in,
                             &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_fully_connected_float = {
    .id = 82,
    .check = check,
    .run = run,
};
