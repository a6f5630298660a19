/* Adapter of FULLY_CONNECTED. */
#include "es_adapter.h"
#include "es_kernels.h"

static int has_blobs(const es_header_t *table, const es_fully_connected_params_t *p, uint32_t depth,
                     uint32_t outputs) {
    return es_has_blob(table, p->weights, depth, outputs, 1) &&
           es_has_blob(table, p->channels, outputs, sizeof(es_channel_t), 4);
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_fully_connected_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (in->h != out->h || out->w != 1) {
        return ES_BAD_RECORD;
    }
    return has_blobs(table, p, es_row_elements(in), out->c) ? ES_OK : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_fully_connected_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_fully_connected(p, &in, &out, es_call_blob(call, p->weights),
                       es_call_blob(call, p->channels), call->y0, call->y1);
}

static es_status_t check_sum(const es_step_record_t *step, const es_operand_record_t *operands,
                             const es_header_t *table) {
    const es_fully_connected_params_t *p = es_step_params(step, table);

    if (!es_has_sums(step, operands)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const uint64_t depth = (uint64_t)es_row_elements(in) * in->h;
    if (depth > UINT32_MAX) {
        return ES_BAD_RECORD;
    }
    return has_blobs(table, p, (uint32_t)depth, operands[1].c) ? ES_OK : ES_OUT_OF_BOUNDS;
}

static void sum(const es_call_t *call) {
    const es_fully_connected_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_fully_connected_sum(p, &in, &out, es_call_blob(call, p->weights),
                           es_call_blob(call, p->channels), es_call_sums(call), call->y0, call->y1);
}

const es_kernel_t es_kernel_fully_connected = {
    .id = 3,
    .check = check,
    .run = run,
    .check_sum = check_sum,
    .sum = sum,
};
