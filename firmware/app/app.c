/* Your application: this file is yours, and edgeserve never writes over it.
 *
 * It runs the model once on an input of zeros and says which output is largest. */
#include "edgeserve.h"
#include "es_port.h"
#include "model.h"

#include <string.h>

/* Memory for the model: an array for each bank of its plan, mostly a single one. */
#define ARRAY(index, region, bytes, alignment)                                                     \
    static _Alignas(alignment) ES_IN_REGION(region) uint8_t bank_##index[bytes];
MODEL_BANKS(ARRAY)

#define ENTRY(index, region, bytes, alignment) {bank_##index, sizeof bank_##index},
static const es_bank_t banks[] = {MODEL_BANKS(ENTRY)};
static es_model_t model;

static void say(const char *text) {
    for (; *text != '\0'; text++) {
        es_port_write(*text);
    }
}

static void say_number(uint32_t value) {
    if (value >= 10) {
        say_number(value / 10);
    }
    es_port_write((char)('0' + value % 10));
}

static uint32_t largest(const int8_t *values, uint32_t count) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        best = values[i] > values[best] ? i : best;
    }
    return best;
}

void es_main(void) {
    es_port_start();
    const es_status_t status =
        es_init_banks(&model, MODEL_TABLE, MODEL_TABLE_BYTES, MODEL_KERNELS, MODEL_KERNEL_COUNT,
                      banks, sizeof banks / sizeof *banks);
    if (status != ES_OK) {
        es_port_fatal(es_status_text(status));
    }
    /* An input that is fed by rows reads as zeros until es_set_source() says where they come from.
     */
    if (es_input(&model, 0) != NULL) {
        memset(es_input(&model, 0), 0, es_input_bytes(&model, 0));
    }
    es_run(&model);
    say("largest output: ");
    say_number(largest(es_output(&model, 0), es_output_bytes(&model, 0)));
    say("\r\n");
    es_port_flush();
    for (;;) {
        if (es_port_read(ES_PORT_FOREVER) == ES_PORT_CLOSED) {
            return;
        }
    }
}
