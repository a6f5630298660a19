/* LiteRT's functions by name. */
#include "litert.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef struct binding {
    const char *name;
    size_t offset; /* of the pointer in litert_t */
} binding_t;

#define BIND(field, name) {"LiteRt" name, offsetof(litert_t, field)}

static const binding_t bindings[] = {
    BIND(create_environment, "CreateEnvironment"),
    BIND(create_model, "CreateModelFromFile"),
    BIND(create_options, "CreateOptions"),
    BIND(set_accelerators, "SetOptionsHardwareAccelerators"),
    BIND(create_opaque, "CreateOpaqueOptions"),
    BIND(add_opaque, "AddOpaqueOptions"),
    BIND(create_compiled, "CreateCompiledModel"),
    BIND(is_fully_accelerated, "CompiledModelIsFullyAccelerated"),
    BIND(get_signature, "GetModelSignature"),
    BIND(input_count, "GetNumSignatureInputs"),
    BIND(output_count, "GetNumSignatureOutputs"),
    BIND(input_tensor, "GetSignatureInputTensorByIndex"),
    BIND(output_tensor, "GetSignatureOutputTensorByIndex"),
    BIND(tensor_type, "GetRankedTensorType"),
    BIND(tensor_quantization, "GetPerTensorQuantization"),
    BIND(input_requirements, "GetCompiledModelInputBufferRequirements"),
    BIND(output_requirements, "GetCompiledModelOutputBufferRequirements"),
    BIND(create_buffer, "CreateManagedTensorBufferFromRequirements"),
    BIND(packed_size, "GetTensorBufferPackedSize"),
    BIND(lock, "LockTensorBuffer"),
    BIND(unlock, "UnlockTensorBuffer"),
    BIND(run, "RunCompiledModel"),
    BIND(get_profiler, "CompiledModelGetProfiler"),
    BIND(start_profiler, "StartProfiler"),
    BIND(stop_profiler, "StopProfiler"),
    BIND(profile_summary, "GetProfileSummary"),
    BIND(destroy_buffer, "DestroyTensorBuffer"),
    BIND(destroy_compiled, "DestroyCompiledModel"),
    BIND(destroy_options, "DestroyOptions"),
    BIND(destroy_model, "DestroyModel"),
    BIND(destroy_environment, "DestroyEnvironment"),
};

bool litert_open(const char *library, litert_t *litert) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fprintf(stderr, "cannot load LiteRT: %s\n", dlerror());
        return false;
    }
    for (size_t i = 0; i < sizeof bindings / sizeof bindings[0]; i++) {
        void *function = dlsym(handle, bindings[i].name);
        if (function == NULL) {
            fprintf(stderr, "%s is no LiteRT 2.3: it has no %s\n", library, bindings[i].name);
            return false;
        }
        memcpy((char *)litert + bindings[i].offset, &function, sizeof function);
    }
    return true;
}
