/* Adapter of CONV_2D of int16. */
#include "es_checks.h"
#include "es_kernels_16.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_conv2d_16_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT16, ES_INT16)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    if (!es_windows_fit(p) || p->weight_c == 0 || in->c % p->weight_c != 0 ||
        out->c % (in->c / p->weight_c) != 0) {
        return ES_BAD_RECORD;
    }
    const uint64_t window = (uint64_t)((uint32_t)p->kernel_h * p->kernel_w) * p->weight_c;
    return window <= UINT32_MAX && es_has_blob(table, p->weights, (uint32_t)window, out->c, 1) &&
                   es_has_blob(table, p->channels, out->c, sizeof(es_channel_16_t), 8)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static void run(const es_call_t *call) {
    const es_conv2d_16_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_conv2d_16(p, es_call_blob(call, p->weights), es_call_blob(call, p->channels), &in, &out,
                 call->y0, call->y1);
}

const es_kernel_t es_kernel_conv2d_16 = {
    .id = 60,
    .check = check,
    .run = run,
};
