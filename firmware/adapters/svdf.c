/* Adapter of SVDF. */
#include "es_adapter.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_svdf_params_t *p = es_step_params(step, table);

    if (step->input_count != 2) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *state = &operands[1];
    const es_operand_record_t *out = &operands[2];
    const uint32_t depth = es_row_elements(in);
    const uint64_t filters = (uint64_t)out->c * p->rank;
    if (in->dtype != ES_INT8 || state->dtype != ES_INT16 || out->dtype != ES_INT8 ||
        state->space != ES_SPACE_ARENA || out->space != ES_SPACE_ARENA || in->h != out->h ||
        state->h != out->h || out->w != 1 || state->w != 1 || state->depth != state->h) {
        return ES_BAD_RECORD;
    }
    if (p->rank == 0 || p->memory == 0 || state->c % p->memory != 0 ||
        filters != state->c / p->memory) {
        return ES_BAD_RECORD;
    }
    return es_has_blob(table, p->weights_feature, (uint32_t)filters, depth, 1) &&
                   es_has_blob(table, p->weights_time, state->c, sizeof(int16_t), 2) &&
                   es_has_blob(table, p->offsets, (uint32_t)filters, sizeof(int32_t), 4) &&
                   es_has_blob(table, p->biases, out->c, sizeof(int32_t), 4)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_svdf_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t state = es_call_rows(call, 1);
    const es_rows_t out = es_call_output(call);
    const es_svdf_blobs_t blobs = {
        .weights_feature = es_call_blob(call, p->weights_feature),
        .weights_time = es_call_blob(call, p->weights_time),
        .offsets = es_call_blob(call, p->offsets),
        .biases = es_call_blob(call, p->biases),
    };

    es_svdf(p, &blobs, &in, &state, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_svdf = {
    .id = 23,
    .check = check,
    .run = run,
};
