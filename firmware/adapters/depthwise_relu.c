/* Adapter of DEPTHWISE_CONV_2D by pairs of rows, 3x3 windows without negative results. */
#include "es_depthwise_checks.h"

static es_status_t check(const es_call_t *call) {
    return es_depthwise_is_relu(es_call_params(call)) ? es_check_depthwise_pairs(call)
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
    .params_bytes = sizeof(es_depthwise_pairs_params_t),
    .check = check,
    .run = run,
};
