/* Adapter of CONCATENATION and PACK. */
#include "es_checks.h"
#include "es_kernels.h"

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    (void)table;
    const uint32_t count = step->input_count;
    const es_operand_record_t *out = &operands[count];
    uint64_t c = 0;

    for (uint32_t i = 0; i < count; i++) {
        const es_operand_record_t *in = &operands[i];
        if (in->dtype != out->dtype || in->h != out->h || in->w != out->w) {
            return ES_BAD_RECORD;
        }
        c += in->c;
    }
    return c == out->c && out->space == ES_SPACE_ARENA ? ES_OK : ES_BAD_RECORD;
}

static void run(const es_call_t *call) {
    const es_rows_t out = es_call_output(call);

    /* Row by row: the next row may lie over what this one is made of. */
    for (uint32_t y = call->y0; y < call->y1; y++) {
        uint32_t first = 0;
        for (uint32_t i = 0; i < es_call_input_count(call); i++) {
            const es_rows_t in = es_call_rows(call, i);
            es_concatenation(&in, &out, first, y, y + 1);
            first += in.c;
        }
    }
}

const es_kernel_t es_kernel_concatenation = {
    .id = 15,
    .check = check,
    .run = run,
};
