/* One model, compiled for an accelerator, with its buffers and a pristine copy of its input. */
#ifndef MODEL_H
#define MODEL_H

#include "litert.h"

typedef enum accelerator { ON_CPU, ON_GPU, ON_NPU } accelerator_t;

typedef struct model_wish {
    const char *library, *path;
    accelerator_t accelerator;
    int threads;  /* of the CPU; 0 leaves it to LiteRT */
    bool profile; /* per-operator times, which cost a little */
} model_wish_t;

/* Nanoseconds of each part of the start, in order. */
typedef struct cold_start {
    uint64_t library_ns, load_ns, compile_ns, first_ns;
} cold_start_t;

typedef struct port {
    litert_handle_t buffer;
    litert_tensor_type_t type;
    litert_quantization_t quantization; /* scale 0 where the tensor has none */
    size_t bytes;
} port_t;

enum { MODEL_PORTS = 32 };

typedef struct model {
    litert_t litert;
    litert_handle_t environment, loaded, compiled, profiler;
    port_t inputs[MODEL_PORTS], outputs[MODEL_PORTS];
    size_t input_count, output_count;
    uint8_t *input; /* the data of all inputs, one after the other */
    size_t input_bytes, output_bytes;
    bool fully_accelerated;
    cold_start_t cold;
} model_t;

/* False, and said on stderr, where the model cannot run as wished. The first inference is done. */
bool model_open(model_t *model, const model_wish_t *wish);
void model_close(model_t *model);

/* Puts the input back, then runs once; what the run itself took, waiting for its output included.
 * LiteRT's error where it fails; else 0. */
int model_run(model_t *model, uint64_t *ns);

/* CRC-32 of all outputs in order, or their bytes. */
bool model_output(model_t *model, uint8_t *bytes);

uint64_t now_ns(void);

#endif
