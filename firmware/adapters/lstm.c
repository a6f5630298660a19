/* Adapter of UNIDIRECTIONAL_SEQUENCE_LSTM. */
#include "es_adapter.h"
#include "es_kernels.h"

enum { SEQUENCE, OUTPUT_STATE, CELL_STATE, OUTPUT };

static int is_state(const es_operand_record_t *o, es_dtype_t dtype, uint32_t cells) {
    return o->dtype == dtype && o->space == ES_SPACE_ARENA && o->h == 1 && o->w == 1 &&
           o->c == cells;
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_lstm_params_t *p = es_step_params(step, table);

    if (step->input_count != OUTPUT) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[SEQUENCE];
    const es_operand_record_t *out = &operands[OUTPUT];
    const uint32_t depth = es_row_elements(in), cells = out->c;
    if (in->dtype != ES_INT8 || out->dtype != ES_INT8 || out->space != ES_SPACE_ARENA ||
        in->h != out->h || out->w != 1 || !is_state(&operands[OUTPUT_STATE], ES_INT8, out->c) ||
        !is_state(&operands[CELL_STATE], ES_INT16, out->c)) {
        return ES_BAD_RECORD;
    }
    /* 16 bits keep the products below in 32. */
    if (depth > UINT16_MAX || cells > UINT16_MAX || p->gates < ES_LSTM_INPUT ||
        p->gates > ES_LSTM_GATES || p->cell_scale_log2 < -15 || p->cell_scale_log2 > -9 ||
        p->cell_clip < 0 || p->cell_clip > INT16_MAX) {
        return ES_BAD_RECORD;
    }
    return es_has_blob(table, p->weights, cells * p->gates, depth, 1) &&
                   es_has_blob(table, p->recurrent, cells * p->gates, cells, 1) &&
                   es_has_blob(table, p->biases, cells * p->gates, 2 * sizeof(int32_t), 4)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_lstm_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, SEQUENCE);
    const es_rows_t output_state = es_call_rows(call, OUTPUT_STATE);
    const es_rows_t cell_state = es_call_rows(call, CELL_STATE);
    const es_rows_t out = es_call_output(call);
    const es_lstm_blobs_t blobs = {
        .weights = es_call_blob(call, p->weights),
        .recurrent = es_call_blob(call, p->recurrent),
        .biases = es_call_blob(call, p->biases),
    };

    es_lstm(p, &blobs, &in, (int8_t *)output_state.base, (int16_t *)(void *)cell_state.base, &out,
            call->y0, call->y1);
}

const es_kernel_t es_kernel_lstm = {
    .id = 24,
    .check = check,
    .run = run,
};
