/* Adapter of DEPTHWISE_CONV_2D by pairs of rows, 3x3 windows without negative results. */
#include "es_depthwise_checks.h"

enum { STREAM_WORDS = 7 }; /* of a channel: three of weights and four more */

/* True of strides of 1 or 2 both ways, and no dilation, as nearly all have. */
static inline int is_by_two(const es_depthwise_pairs_params_t *p) {
    const uint32_t ones = 0x00010001u, strides = es_two_at(p, 4);
    return es_two_at(p, 0) == 3 * ones && es_two_at(p, 8) == ones &&
           (strides == ones || strides == 2 * ones);
}

/* What es_check_depthwise_pairs() asks of those, in 32 bits: es_depthwise_scratch() has
 * 4 * (stride_w + 1) words a column, and 12 for the weights of four channels. */
static inline es_status_t check_by_two(const es_step_record_t *step,
                                       const es_operand_record_t *operands,
                                       const es_header_t *table) {
    const es_depthwise_pairs_params_t *p = es_step_params(step, table);
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];

    if (in->c != out->c || in->c < 4 || !es_is_int8(p->pad) || p->tile_w == 0) {
        return ES_BAD_RECORD;
    }
    const uint32_t tile_w = p->tile_w < out->w ? p->tile_w : out->w;
    const uint32_t pixels = tile_w > ES_DEPTHWISE_PIXELS ? tile_w : ES_DEPTHWISE_PIXELS;
    const uint32_t columns = (pixels - 1) * p->stride_w + 3;
    const uint32_t aside = p->sets_aside ? es_row_elements(in) : 0;

    return es_has_blob(table, p->stream, out->c, STREAM_WORDS * sizeof(uint32_t), 4) &&
                   step->scratch_bytes >= (p->stride_w + 1u) * columns * 16 + 48 + aside
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_depthwise_pairs_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    if (is_by_two(p)) {
        return check_by_two(step, operands, table);
    }
    return es_depthwise_is_relu(p) ? es_check_depthwise_pairs(step, operands, table)
                                   : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_depthwise_pairs_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_depthwise_relu(p, es_call_blob(call, p->stream), &in, &out, es_call_scratch(call), call->y0,
                      call->y1);
}

const es_kernel_t es_kernel_depthwise_relu = {
    .id = 34,
    .check = check,
    .run = run,
};
