/* A small model wakes a large one in the same arena: which frames, and what both answer. */
#include "edgeserve.h"
#include "es_decide.h"
#include "es_port.h"

#include "es_model_gate.h"
#include "es_model_large.h"

enum { FRAMES = 12, THRESHOLD = 150, HOLD = 1 };

_Static_assert(ES_MODEL_GATE_ARENA_BYTES == ES_MODEL_LARGE_ARENA_BYTES, "planned together");
static _Alignas(ES_ALIGNMENT) uint8_t arena[ES_MODEL_LARGE_ARENA_BYTES];

static void say_hex(uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4) {
        es_port_write("0123456789abcdef"[value >> shift & 15]);
    }
}

static uint32_t crc_of(const uint8_t *data, uint32_t bytes) {
    uint32_t crc = ~0u;
    for (uint32_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

static uint32_t answer(es_model_t *model, uint32_t seed) {
    uint8_t *input = es_input(model, 0);
    uint32_t x = seed;
    for (uint32_t i = 0; i < es_input_bytes(model, 0); i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        input[i] = (uint8_t)x;
    }
    es_run(model);
    return crc_of(es_output(model, 0), es_output_bytes(model, 0));
}

void es_main(void) {
    es_model_t small, large;
    es_gate_t gate = {.threshold = THRESHOLD, .hold = HOLD};

    es_port_start();
    if (es_init(&small, es_model_gate, es_model_gate_bytes, es_model_gate_kernels,
                es_model_gate_kernel_count, arena, sizeof arena) != ES_OK ||
        es_init(&large, es_model_large, es_model_large_bytes, es_model_large_kernels,
                es_model_large_kernel_count, arena, sizeof arena) != ES_OK) {
        es_port_fatal("no model");
    }
    for (uint32_t seed = 1; seed <= FRAMES; seed++) {
        say_hex(answer(&small, seed));
        const int8_t *score = es_output(&small, 0);
        const bool open = es_gate(&gate, (uint32_t)(*score + 128));
        es_port_write(' ');
        say_hex(open ? answer(&large, seed) : 0);
        es_port_write('\r');
        es_port_write('\n');
    }
    es_port_flush();
    while (es_port_read(ES_PORT_FOREVER) != ES_PORT_CLOSED) {
    }
}
