/* Adapter of CONV_2D of three pixels in two words. */
#include "es_adapter.h"
#include "es_kernels.h"

/* Far more than a device holds; with it no product of the kernel leaves 32 bits. */
enum { MOST_TAPS = 1 << 24 };

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_conv_lanes_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_axis_fits(out->h, p->stride_h, p->kernel_h, p->dilation_h) ||
        !es_axis_fits(out->w, p->stride_w, p->kernel_w, p->dilation_w) || p->run == 0) {
        return ES_BAD_RECORD;
    }
    if (in->c > MOST_TAPS / ((uint32_t)p->kernel_h * p->kernel_w)) {
        return ES_OUT_OF_BOUNDS;
    }
    const uint32_t row = p->kernel_w * in->c, taps = p->kernel_h * row;
    const uint32_t bytes =
        ES_LANES_TAP_BYTES * taps +
        (es_lanes_stay_inside(p, in->h, in->w, out->h, out->w) ? 0 : ES_LANES_ROWS * row);
    /* An output in the arena has fewer than 2^31 channels. */
    return es_has_blob(table, p->weights, (out->c + 3) & ~3u, taps, 1) &&
                   es_has_blob(table, p->scales, out->c, sizeof(es_scale_t), 4) &&
                   step->scratch_bytes >= bytes
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_conv_lanes_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_conv_lanes(p, es_call_blob(call, p->weights), es_call_blob(call, p->scales), &in, &out,
                  es_call_scratch(call), call->y0, call->y1);
}

const es_kernel_t es_kernel_conv_lanes = {
    .id = 48,
    .check = check,
    .run = run,
};
