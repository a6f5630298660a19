/* Adapter of QUANTIZE among int8 and int16, RELU and LEAKY_RELU of int16. */
#include "es_checks.h"
#include "es_kernels_16.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_rescale_16_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT16, ES_INT16) &&
        !es_has_types(step, operands, 1, ES_INT16, ES_INT8) &&
        !es_has_types(step, operands, 1, ES_INT8, ES_INT16)) {
        return ES_BAD_RECORD;
    }
    return es_same_rows(&operands[0], &operands[1]) && es_is_shift(p->positive_shift) &&
                   es_is_shift(p->negative_shift)
               ? ES_OK
               : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_rescale_16(es_call_params(call), &in, &out, call->y0, call->y1);
}

const es_kernel_t es_kernel_rescale_16 = {
    .id = 70,
    .check = check,
    .run = run,
};
