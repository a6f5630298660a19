/* Adapter of FULLY_CONNECTED with wide weights. */
#include "es_adapter.h"
#include "es_kernels.h"

/* Of rows of `depth` elements, or of an input of so many, below 2^31. The output's channels fit the
 * arena. */
static inline es_status_t check_blobs(const es_step_record_t *step,
                                      const es_operand_record_t *operands, const es_header_t *table,
                                      uint32_t depth) {
    const es_fully_connected_wide_params_t *p = es_step_params(step, table);
    const uint32_t blocks = (operands[1].c + 3) / 4;
    const uint32_t tap_bytes = 4 * (uint32_t)sizeof(int16_t);

    return es_has_blob(table, p->weights, (depth + 3) & ~3u, tap_bytes * blocks, 4) &&
                   es_has_blob(table, p->blocks, blocks, sizeof(es_wide_block_t), 4)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    const uint32_t depth = es_row_elements(in);
    if (in->h != out->h || out->w != 1 || (depth > ES_PAIRS_WIDE && depth % 4 != 0)) {
        return ES_BAD_RECORD;
    }
    return check_blobs(step, operands, table, depth);
}

static void run(const es_call_t *call) {
    const es_fully_connected_wide_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_fully_connected_wide(p, &in, &out, es_call_blob(call, p->weights),
                            es_call_blob(call, p->blocks), call->y0, call->y1);
}

static es_status_t check_sum(const es_step_record_t *step, const es_operand_record_t *operands,
                             const es_header_t *table) {
    if (!es_has_sums(step, operands)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const uint64_t depth = (uint64_t)es_row_elements(in) * in->h;
    return depth <= INT32_MAX ? check_blobs(step, operands, table, (uint32_t)depth) : ES_BAD_RECORD;
}

static void sum(const es_call_t *call) {
    const es_fully_connected_wide_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_fully_connected_wide_sum(p, &in, &out, es_call_blob(call, p->weights),
                                es_call_blob(call, p->blocks), es_call_sums(call), call->y0,
                                call->y1);
}

const es_kernel_t es_kernel_fully_connected_wide = {
    .id = 32,
    .check = check,
    .run = run,
    .check_sum = check_sum,
    .sum = sum,
};
