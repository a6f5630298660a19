/* The part of LiteRT's C API that the harness uses, bound at run time by dlopen.
 *
 * LiteRT's wheels and AARs bring the library and no headers, so the declarations are restated here,
 * as of 2.3.0: google-ai-edge/LiteRT, litert/c/. LiteRtCreateModelFromFile takes an environment
 * since that version, so an older library is refused by a name that it lacks. */
#ifndef LITERT_H
#define LITERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LITERT_OK = 0 };
enum { LITERT_CPU = 1, LITERT_GPU = 2, LITERT_NPU = 4 };
enum { LITERT_READ = 0, LITERT_WRITE = 1 };
enum { LITERT_MAX_RANK = 8 };

/* Element types, numbered as TensorFlow Lite's. */
enum litert_type {
    LITERT_FLOAT32 = 1,
    LITERT_INT32 = 2,
    LITERT_UINT8 = 3,
    LITERT_INT64 = 4,
    LITERT_BOOL = 6,
    LITERT_INT16 = 7,
    LITERT_INT8 = 9,
    LITERT_FLOAT16 = 10,
};

/* Bit fields in the original; the flag and the rank share a word. */
typedef struct litert_layout {
    unsigned int rank : 7;
    bool has_strides : 1;
    int32_t dimensions[LITERT_MAX_RANK];
    uint32_t strides[LITERT_MAX_RANK];
} litert_layout_t;

typedef struct litert_tensor_type {
    int element;
    litert_layout_t layout;
} litert_tensor_type_t;

typedef struct litert_quantization {
    float scale;
    int64_t zero_point;
} litert_quantization_t;

typedef void *litert_handle_t;

/* Every function returns LITERT_OK or an error, but those that destroy. */
typedef struct litert {
    int (*create_environment)(int count, const void *options, litert_handle_t *environment);
    int (*create_model)(litert_handle_t environment, const char *path, litert_handle_t *model);
    int (*create_options)(litert_handle_t *options);
    int (*set_accelerators)(litert_handle_t options, int accelerators);
    int (*create_opaque)(const char *identifier, void *payload, void (*destroy)(void *),
                         litert_handle_t *options);
    int (*add_opaque)(litert_handle_t options, litert_handle_t opaque);
    int (*create_compiled)(litert_handle_t environment, litert_handle_t model,
                           litert_handle_t options, litert_handle_t *compiled);
    int (*is_fully_accelerated)(litert_handle_t compiled, bool *fully);
    int (*get_signature)(litert_handle_t model, size_t index, litert_handle_t *signature);
    int (*input_count)(litert_handle_t signature, size_t *count);
    int (*output_count)(litert_handle_t signature, size_t *count);
    int (*input_tensor)(litert_handle_t signature, size_t index, litert_handle_t *tensor);
    int (*output_tensor)(litert_handle_t signature, size_t index, litert_handle_t *tensor);
    int (*tensor_type)(litert_handle_t tensor, litert_tensor_type_t *type);
    int (*tensor_quantization)(litert_handle_t tensor, litert_quantization_t *quantization);
    int (*input_requirements)(litert_handle_t compiled, size_t signature, size_t index,
                              litert_handle_t *requirements);
    int (*output_requirements)(litert_handle_t compiled, size_t signature, size_t index,
                               litert_handle_t *requirements);
    int (*create_buffer)(litert_handle_t environment, const litert_tensor_type_t *type,
                         litert_handle_t requirements, litert_handle_t *buffer);
    int (*packed_size)(litert_handle_t buffer, size_t *bytes);
    int (*lock)(litert_handle_t buffer, void **address, int mode);
    int (*unlock)(litert_handle_t buffer);
    int (*run)(litert_handle_t compiled, size_t signature, size_t inputs, litert_handle_t *input,
               size_t outputs, litert_handle_t *output);
    int (*get_profiler)(litert_handle_t compiled, litert_handle_t *profiler);
    int (*start_profiler)(litert_handle_t profiler);
    int (*stop_profiler)(litert_handle_t profiler);
    int (*profile_summary)(litert_handle_t profiler, litert_handle_t compiled,
                           const char **summary);
    void (*destroy_buffer)(litert_handle_t buffer);
    void (*destroy_compiled)(litert_handle_t compiled);
    void (*destroy_options)(litert_handle_t options);
    void (*destroy_model)(litert_handle_t model);
    void (*destroy_environment)(litert_handle_t environment);
} litert_t;

/* Binds all of it; false, and said on stderr, where the library or a function is missing. */
bool litert_open(const char *library, litert_t *litert);

#endif
