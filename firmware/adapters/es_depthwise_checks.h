/* What the adapters of DEPTHWISE_CONV_2D by pairs of rows ask of a record. */
#ifndef ES_DEPTHWISE_CHECKS_H
#define ES_DEPTHWISE_CHECKS_H

#include "es_adapter.h"
#include "es_kernels.h"

static __attribute__((noinline)) es_status_t es_check_depthwise_pairs(
    const es_step_record_t *step, const es_operand_record_t *operands, const es_header_t *table) {
    const es_depthwise_pairs_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_windows_fit(p) || in->c != out->c || in->c < 4 || !es_is_int8(p->pad) ||
        p->tile_w == 0) {
        return ES_BAD_RECORD;
    }
    const es_depthwise_scratch_t parts = es_depthwise_scratch(p, out->w);
    if (!es_has_blob(table, p->stream, out->c, (parts.weight_words + 4) * sizeof(uint32_t), 4)) {
        return ES_OUT_OF_BOUNDS;
    }
    /* A table that holds the weights of four channels leaves their bytes in 32 bits. */
    const uint32_t weight_bytes = 4 * parts.weight_words * (uint32_t)sizeof(uint32_t);
    const uint32_t aside = p->sets_aside ? es_row_elements(in) : 0;
    const uint64_t bytes = parts.column_words * sizeof(uint32_t) + weight_bytes + aside;
    return step->scratch_bytes >= bytes ? ES_OK : ES_OUT_OF_BOUNDS;
}

#endif
