/* Adapter of CONV_2D by Winograd's method. */
#include "es_adapter.h"
#include "es_kernels.h"

enum { MOST_CHANNELS = 1 << 20 /* far more than a device holds: no product overflows */ };

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_conv_winograd_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (in->c % 4 != 0 || out->c % 2 != 0) {
        return ES_BAD_RECORD;
    }
    if (in->c > MOST_CHANNELS) {
        return ES_OUT_OF_BOUNDS;
    }
    const uint32_t pair_bytes = 64 * in->c + ES_WINOGRAD_RECORD_WORDS * (uint32_t)sizeof(uint32_t);
    return es_has_blob(table, p->stream, out->c / 2, pair_bytes, sizeof(uint32_t)) &&
                   es_has_blob(table, p->pads, in->c, 1, 1) &&
                   step->scratch_bytes >= es_conv_winograd_scratch_bytes(in->c)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_conv_winograd_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_conv_winograd(p, es_call_blob(call, p->stream), es_call_blob(call, p->pads), &in, &out,
                     es_call_scratch(call), call->y0, call->y1);
}

const es_kernel_t es_kernel_conv_winograd = {
    .id = 33,
    .check = check,
    .run = run,
};
