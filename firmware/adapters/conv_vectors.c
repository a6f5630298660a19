/* Adapter of CONV_2D by vectors. */
#include "es_adapter.h"
#include "es_kernels.h"

/* Far more than a device holds; with it no product here leaves 32 bits. */
enum { MOST_TAPS = 1 << 24 };

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_conv_vectors_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_axis_fits(out->h, p->stride_h, p->kernel_h, p->dilation_h) ||
        !es_axis_fits(out->w, p->stride_w, p->kernel_w, p->dilation_w) ||
        (p->dilation_w != 1 && p->kernel_w != 1) || out->c < 2 ||
        out->c > ES_VECTOR_MOST_CHANNELS || !es_is_int8(p->pad)) {
        return ES_BAD_RECORD;
    }
    if (in->c > MOST_TAPS / ((uint32_t)p->kernel_h * p->kernel_w)) {
        return ES_OUT_OF_BOUNDS;
    }
    const uint32_t vectors = es_conv_vectors_of(p, in->c), pairs = (out->c + 1) / 2;
    const uint32_t pair_bytes = es_conv_vectors_pair_bytes(vectors);
    return es_has_blob(table, p->stream, pairs, pair_bytes, sizeof(int32_t)) &&
                   step->scratch_bytes >= vectors * ES_VECTOR * ES_VECTOR_PIXELS
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_conv_vectors_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_conv_vectors(p, es_call_blob(call, p->stream), &in, &out, es_call_scratch(call), call->y0,
                    call->y1);
}

const es_kernel_t es_kernel_conv_vectors = {
    .id = 40,
    .check = check,
    .run = run,
};
