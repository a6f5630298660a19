/* A model through LiteRT's compiled-model API. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int accelerators[] = {
    [ON_CPU] = LITERT_CPU,
    /* The CPU takes what the accelerator cannot: how much that is, is asked and told. */
    [ON_GPU] = LITERT_GPU | LITERT_CPU,
    [ON_NPU] = LITERT_NPU | LITERT_CPU,
};

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool good(int status, const char *what) {
    if (status != LITERT_OK) {
        fprintf(stderr, "LiteRT cannot %s: error %d\n", what, status);
    }
    return status == LITERT_OK;
}

/* LiteRT reads options of a part of it as TOML, by that part's name. */
static bool add_part_options(const litert_t *litert, litert_handle_t options, const char *part,
                             const char *toml) {
    litert_handle_t opaque;
    char *copy = strdup(toml);
    if (copy == NULL) {
        return false;
    }
    if (!good(litert->create_opaque(part, copy, free, &opaque), "take options")) {
        free(copy);
        return false;
    }
    return good(litert->add_opaque(options, opaque), "take options");
}

static bool make_options(const litert_t *litert, const model_wish_t *wish,
                         litert_handle_t *options) {
    if (!good(litert->create_options(options), "make options") ||
        !good(litert->set_accelerators(*options, accelerators[wish->accelerator]),
              "choose an accelerator")) {
        return false;
    }
    if (wish->threads > 0) {
        char toml[40];
        snprintf(toml, sizeof toml, "num_threads = %d\n", wish->threads);
        if (!add_part_options(litert, *options, "xnnpack", toml)) {
            return false;
        }
    }
    return !wish->profile || add_part_options(litert, *options, "runtime_options_string",
                                              "enable_profiling = true\n");
}

static bool compile(model_t *model, const model_wish_t *wish) {
    const litert_t *litert = &model->litert;
    litert_handle_t options = NULL;
    const bool compiled =
        make_options(litert, wish, &options) &&
        good(litert->create_compiled(model->environment, model->loaded, options, &model->compiled),
             "compile the model for that accelerator") &&
        good(litert->is_fully_accelerated(model->compiled, &model->fully_accelerated),
             "tell what is accelerated");
    if (options != NULL) {
        litert->destroy_options(options);
    }
    return compiled;
}

typedef int tensor_at_t(litert_handle_t signature, size_t index, litert_handle_t *tensor);
typedef int requirements_at_t(litert_handle_t compiled, size_t signature, size_t index,
                              litert_handle_t *requirements);

static bool open_port(model_t *model, litert_handle_t signature, size_t index,
                      tensor_at_t *tensor_at, requirements_at_t *requirements_at, port_t *port) {
    const litert_t *litert = &model->litert;
    litert_handle_t tensor, requirements;
    if (!good(tensor_at(signature, index, &tensor), "find a tensor") ||
        !good(litert->tensor_type(tensor, &port->type), "tell a tensor's type")) {
        return false;
    }
    if (litert->tensor_quantization(tensor, &port->quantization) != LITERT_OK) {
        port->quantization = (litert_quantization_t){0};
    }
    for (unsigned int axis = 0; axis < port->type.layout.rank; axis++) {
        if (port->type.layout.dimensions[axis] < 0) {
            port->type.layout.dimensions[axis] = 1; /* a dynamic axis: one sample */
        }
    }
    return good(requirements_at(model->compiled, 0, index, &requirements), "size a buffer") &&
           good(litert->create_buffer(model->environment, &port->type, requirements, &port->buffer),
                "make a buffer") &&
           good(litert->packed_size(port->buffer, &port->bytes), "size a buffer");
}

static bool open_ports(model_t *model) {
    const litert_t *litert = &model->litert;
    litert_handle_t signature;
    size_t inputs, outputs;
    if (!good(litert->get_signature(model->loaded, 0, &signature), "find a signature") ||
        !good(litert->input_count(signature, &inputs), "count inputs") ||
        !good(litert->output_count(signature, &outputs), "count outputs")) {
        return false;
    }
    if (inputs > MODEL_PORTS || outputs > MODEL_PORTS) {
        fprintf(stderr, "the model has more than %d inputs or outputs\n", MODEL_PORTS);
        return false;
    }
    for (; model->input_count < inputs; model->input_count++) {
        port_t *port = &model->inputs[model->input_count];
        if (!open_port(model, signature, model->input_count, litert->input_tensor,
                       litert->input_requirements, port)) {
            return false;
        }
        model->input_bytes += port->bytes;
    }
    for (; model->output_count < outputs; model->output_count++) {
        port_t *port = &model->outputs[model->output_count];
        if (!open_port(model, signature, model->output_count, litert->output_tensor,
                       litert->output_requirements, port)) {
            return false;
        }
        model->output_bytes += port->bytes;
    }
    model->input = calloc(1, model->input_bytes > 0 ? model->input_bytes : 1);
    return model->input != NULL;
}

bool model_open(model_t *model, const model_wish_t *wish) {
    litert_t *litert = &model->litert;
    const uint64_t begin = now_ns();
    if (!litert_open(wish->library, litert) ||
        !good(litert->create_environment(0, NULL, &model->environment), "start")) {
        return false;
    }
    const uint64_t bound = now_ns();
    if (!good(litert->create_model(model->environment, wish->path, &model->loaded),
              "read the model")) {
        return false;
    }
    const uint64_t loaded = now_ns();
    if (!compile(model, wish) || !open_ports(model)) {
        return false;
    }
    const uint64_t compiled = now_ns();
    if (wish->profile &&
        !good(litert->get_profiler(model->compiled, &model->profiler), "profile")) {
        return false;
    }
    uint64_t first;
    if (!good(model_run(model, &first), "run the model")) {
        return false;
    }
    model->cold = (cold_start_t){bound - begin, loaded - bound, compiled - loaded, first};
    return true;
}

static int put_input(model_t *model) {
    const uint8_t *data = model->input;
    for (size_t i = 0; i < model->input_count; i++) {
        void *address;
        int status = model->litert.lock(model->inputs[i].buffer, &address, LITERT_WRITE);
        if (status != LITERT_OK) {
            return status;
        }
        memcpy(address, data, model->inputs[i].bytes);
        data += model->inputs[i].bytes;
        status = model->litert.unlock(model->inputs[i].buffer);
        if (status != LITERT_OK) {
            return status;
        }
    }
    return LITERT_OK;
}

/* An accelerator may return before it has done its work; its outputs cannot be locked before. */
static int wait_for_outputs(model_t *model) {
    for (size_t i = 0; i < model->output_count; i++) {
        void *address;
        int status = model->litert.lock(model->outputs[i].buffer, &address, LITERT_READ);
        if (status == LITERT_OK) {
            status = model->litert.unlock(model->outputs[i].buffer);
        }
        if (status != LITERT_OK) {
            return status;
        }
    }
    return LITERT_OK;
}

int model_run(model_t *model, uint64_t *ns) {
    litert_handle_t inputs[MODEL_PORTS], outputs[MODEL_PORTS];
    for (size_t i = 0; i < model->input_count; i++) {
        inputs[i] = model->inputs[i].buffer;
    }
    for (size_t i = 0; i < model->output_count; i++) {
        outputs[i] = model->outputs[i].buffer;
    }
    int status = put_input(model);
    if (status != LITERT_OK) {
        return status;
    }
    const uint64_t begin = now_ns();
    status = model->litert.run(model->compiled, 0, model->input_count, inputs, model->output_count,
                               outputs);
    if (status == LITERT_OK) {
        status = wait_for_outputs(model);
    }
    *ns = now_ns() - begin;
    return status;
}

bool model_output(model_t *model, uint8_t *bytes) {
    for (size_t i = 0; i < model->output_count; i++) {
        void *address;
        if (model->litert.lock(model->outputs[i].buffer, &address, LITERT_READ) != LITERT_OK) {
            return false;
        }
        memcpy(bytes, address, model->outputs[i].bytes);
        bytes += model->outputs[i].bytes;
        if (model->litert.unlock(model->outputs[i].buffer) != LITERT_OK) {
            return false;
        }
    }
    return true;
}

void model_close(model_t *model) {
    const litert_t *litert = &model->litert;
    while (model->input_count > 0) {
        litert->destroy_buffer(model->inputs[--model->input_count].buffer);
    }
    while (model->output_count > 0) {
        litert->destroy_buffer(model->outputs[--model->output_count].buffer);
    }
    if (model->compiled != NULL) {
        litert->destroy_compiled(model->compiled);
    }
    if (model->loaded != NULL) {
        litert->destroy_model(model->loaded);
    }
    if (model->environment != NULL) {
        litert->destroy_environment(model->environment);
    }
    free(model->input);
}
