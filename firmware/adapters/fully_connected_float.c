/* Adapter of FULLY_CONNECTED of float32. */
#include "es_checks.h"
#include "es_kernels_float.h"

static es_status_t check(const es_call_t *call) {
    const es_fully_connected_float_params_t *p = es_call_params(call);

    if (!es_call_has_types(call, 1, ES_FLOAT32, ES_FLOAT32)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = es_call_operand(call, 0);
    const es_operand_record_t *out = es_call_operand(call, 1);
    if (in->h != out->h || out->w != 1) {
        return ES_BAD_RECORD;
    }
    /* A row of the input lies in memory: its bytes are no more than 32 bits. */
    return es_call_has_blob(call, p->weights, out->c, es_row_elements(in) * (uint32_t)sizeof(float),
                            sizeof(float)) &&
                   es_call_has_blob(call, p->biases, out->c, sizeof(float), sizeof(float))
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
    .params_bytes = sizeof(es_fully_connected_float_params_t),
    .check = check,
    .run = run,
};
