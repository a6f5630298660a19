/* edgeserve: run a model that the host has planned.
 *
 * A model is one little-endian, position-independent table (docs/FORMAT.md). It may be linked into
 * the firmware or lie in a flash partition; either way es_init() checks every field of it before
 * anything runs, but for the turns of the schedule, which es_run() checks as it takes them, and
 * after that nothing can fail. Nothing here allocates, recurses, prints, or keeps state outside
 * what the caller passes in.
 *
 *     static _Alignas(ES_ALIGNMENT) uint8_t arena[ES_MODEL_DIGITS_ARENA_BYTES];
 *     static es_model_t model;
 *
 *     if (es_init(&model, es_model_digits, es_model_digits_bytes, es_model_digits_kernels,
 *                 es_model_digits_kernel_count, arena, sizeof arena) != ES_OK) { ... }
 *     memcpy(es_input(&model, 0), pixels, es_input_bytes(&model, 0));
 *     es_run(&model);
 *     const int8_t *scores = es_output(&model, 0);
 *
 * The input's bytes may be overwritten by es_run(): fill it again before each run. A model may have
 * been planned to take an input row by row, so that the whole of it is never in the arena; then
 * es_input() is null, and es_run() asks an es_source_t for the rows.
 *
 * A model may also have been planned for several banks of memory, say a small fast one and a large
 * slow one. Then es_init_banks() takes the place of es_init(), and each bank has an array:
 *
 *     static _Alignas(ES_ALIGNMENT) uint8_t fast[ES_MODEL_DIGITS_BANK_0_BYTES];
 *     static _Alignas(ES_ALIGNMENT) uint8_t slow[ES_MODEL_DIGITS_BANK_1_BYTES] IN_EXTERNAL_RAM;
 *     const es_bank_t banks[] = {{fast, sizeof fast}, {slow, sizeof slow}};
 */
#ifndef EDGESERVE_H
#define EDGESERVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Alignment, in bytes, of the arena and of a model table. */
#define ES_ALIGNMENT 16

#define ES_MUST_CHECK __attribute__((warn_unused_result))

typedef enum es_status {
    ES_OK = 0,
    ES_BAD_ARGUMENT,    /* a null or misaligned pointer */
    ES_BAD_MAGIC,       /* not a model table */
    ES_BAD_VERSION,     /* a table format or kernel set that this runtime does not have */
    ES_TRUNCATED,       /* the table is longer than the bytes given */
    ES_ARENA_TOO_SMALL, /* the arena, or a bank of it, is smaller than the table asks for */
    ES_OUT_OF_BOUNDS,   /* a record points outside the table or the arena */
    ES_UNKNOWN_KERNEL,  /* a step asks for a kernel that is not linked in */
    ES_BAD_RECORD,      /* a record contradicts itself or its kernel */
} es_status_t;

typedef enum es_dtype {
    ES_INT8 = 0,
    ES_UINT8 = 1,
    ES_INT16 = 2,
    ES_INT32 = 3,
    ES_INT64 = 4,
    ES_FLOAT32 = 5,
    ES_BOOL = 6,
} es_dtype_t;

/* Rows of a tensor: row r lies at base + (r % depth) * row_bytes and holds w * c dense elements.
 * A whole tensor has depth == h; a ring buffer has fewer rows than the tensor. */
typedef struct es_rows {
    uint8_t *base;
    uint32_t row_bytes;
    uint32_t depth;
    uint32_t h, w, c;
    uint32_t element_bytes;
} es_rows_t;

/* What an input or output of the model is. A real value is scale * (q - zero_point); scale is 0 for
 * tensors that are not quantized. */
typedef struct es_port_info {
    const char *name;
    es_dtype_t dtype;
    uint32_t bytes;
    uint32_t elements;
    uint32_t rank;
    const uint32_t *dims;
    float scale;
    int32_t zero_point;
} es_port_info_t;

/* Watches a run. Each hook may be null. `rows` is called after output rows [y0, y1) of a step were
 * written and before anything may overwrite them: the place for profiles, checksums and dumps. */
typedef struct es_observer {
    void *context;
    void (*before)(void *context, uint32_t step);
    void (*rows)(void *context, uint32_t step, const es_rows_t *out, uint32_t y0, uint32_t y1);
} es_observer_t;

/* Where the rows of inputs come from that are fed by rows: camera lines, audio frames, a buffer
 * that lies elsewhere. `rows` writes rows [y0, y1) of input `input`, each in->w * in->c elements at
 * es_row(in, y). During a run each row is asked for once, top to bottom. */
typedef struct es_source {
    void *context;
    void (*rows)(void *context, uint32_t input, uint32_t y0, uint32_t y1, const es_rows_t *in);
} es_source_t;

typedef struct es_kernel es_kernel_t;

/* Memory for a part of the arena. */
typedef struct es_bank {
    void *base;
    size_t bytes;
} es_bank_t;

#define ES_MOST_BANKS 4u

/* A model that is ready to run. Treat the fields as private, except `observer`, which may be set or
 * cleared between runs. */
typedef struct es_model {
    uintptr_t banks[ES_MOST_BANKS]; /* what added to an arena address gives a pointer */
    const uint8_t *table;
    const struct es_operand_record *operands;
    const struct es_step_record *steps;
    const struct es_port_record *ports; /* of the inputs, then of the outputs */
    const es_kernel_t *const *kernels;
    uint32_t kernel_count;
    const es_observer_t *observer;
    const es_source_t *source;
} es_model_t;

/* Checks the whole table, then resets the model's state. `kernels` lists the kernels linked in;
 * those of most steps are soonest found where they stand first. `table` and `arena` must be aligned
 * to ES_ALIGNMENT and outlive the model. On any status but ES_OK the model must not be run. */
ES_MUST_CHECK es_status_t es_init(es_model_t *model, const void *table, size_t table_bytes,
                                  const es_kernel_t *const *kernels, size_t kernel_count,
                                  void *arena, size_t arena_bytes);

/* The same with an arena of one to ES_MOST_BANKS banks, in the order of the plan, each aligned to
 * ES_ALIGNMENT, or to more where the generated header says so. */
ES_MUST_CHECK es_status_t es_init_banks(es_model_t *model, const void *table, size_t table_bytes,
                                        const es_kernel_t *const *kernels, size_t kernel_count,
                                        const es_bank_t *banks, size_t bank_count);

/* One inference. Never fails: es_init() has checked all that could. */
void es_run(es_model_t *model);

/* Who feeds the inputs of which es_input() is null, from the next run on. The source must outlive
 * the runs. Without one, or with null, all their rows are zero bytes. */
void es_set_source(es_model_t *model, const es_source_t *source);

/* Puts the state that the model keeps between inferences back to its start. */
void es_reset(es_model_t *model);

uint32_t es_input_count(const es_model_t *model);
uint32_t es_output_count(const es_model_t *model);

/* Where input or output `index` lies in the arena; null for an input that is fed by rows. Outputs
 * stay valid until the next es_run(). */
void *es_input(const es_model_t *model, uint32_t index);
void *es_output(const es_model_t *model, uint32_t index);
uint32_t es_input_bytes(const es_model_t *model, uint32_t index);
uint32_t es_output_bytes(const es_model_t *model, uint32_t index);

/* Facts for display. */
es_port_info_t es_input_info(const es_model_t *model, uint32_t index);
es_port_info_t es_output_info(const es_model_t *model, uint32_t index);
const char *es_name(const es_model_t *model);
uint32_t es_step_count(const es_model_t *model);
uint32_t es_step_kernel(const es_model_t *model, uint32_t step);
uint32_t es_arena_bytes(const es_model_t *model); /* of all banks */
uint32_t es_bank_bytes(const es_model_t *model, uint32_t bank);
uint32_t es_table_bytes(const es_model_t *model);
const uint8_t *es_table_sha256(const es_model_t *model);

/* The arena that a table asks for in its first bank, or in a bank; 0 when its header is not that of
 * a table. */
uint32_t es_table_arena_bytes(const void *table, size_t table_bytes);
uint32_t es_table_bank_bytes(const void *table, size_t table_bytes, uint32_t bank);

/* A word for a status, for messages. */
const char *es_status_text(es_status_t status);

static inline uint8_t *es_row(const es_rows_t *rows, uint32_t r) {
    return rows->base + (r < rows->depth ? r : r % rows->depth) * rows->row_bytes;
}

#ifdef __cplusplus
}
#endif

#endif
