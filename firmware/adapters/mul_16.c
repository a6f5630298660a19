/* Adapter of MUL of int16. */
#include "es_checks.h"
#include "es_kernels_16.h"

static es_status_t check(const es_call_t *call) {
    const es_mul_16_params_t *p = es_call_params(call);

    return es_is_binary_of(call, ES_INT16) && es_is_shift(p->shift) ? ES_OK : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t a = es_call_rows(call, 0);
    const es_rows_t b = es_call_rows(call, 1);
    const es_rows_t out = es_call_output(call);

    es_mul_16(es_call_params(call), &a, &b, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_mul_16 = {
    .id = 67,
    .params_bytes = sizeof(es_mul_16_params_t),
    .check = check,
    .run = run,
};
