/* What an adapter sees: a call of its kernel, the views of its operands, and checks for its
 * records.
 *
 * An adapter turns the records of a step into a typed call of a kernel. `check` runs once, in
 * es_init(): it must refuse every record on which `run` could read or write outside the operands,
 * the blobs or the scratch, or write to a constant. The runtime has checked before that each
 * operand lies in its space, that extents are at least one, and that the parameter record is
 * present. */
#ifndef ES_ADAPTER_H
#define ES_ADAPTER_H

#include "edgeserve.h"
#include "es_table.h"

#include <string.h>

typedef struct es_call {
    const es_model_t *model;
    const es_step_record_t *step;
    const es_operand_record_t *operands; /* the step's, the output last */
    const void *params;
    uint32_t y0, y1; /* rows of this turn: of the output, for `sum` of the input */
} es_call_t;

static inline const es_header_t *es_header_of(const es_model_t *model) {
    return (const es_header_t *)model->table;
}

static inline const es_turn_record_t *es_turns_of(const es_model_t *model) {
    return (const es_turn_record_t *)(model->steps + es_header_of(model)->step_count);
}

static inline const es_state_record_t *es_states_of(const es_model_t *model) {
    const es_header_t *header = es_header_of(model);
    return (const es_state_record_t *)(model->ports + header->input_count + header->output_count);
}

/* A call of a step, of no rows. */
static inline es_call_t es_call_of(const es_model_t *model, const es_step_record_t *step) {
    return (es_call_t){
        .model = model,
        .step = step,
        .operands = model->operands + step->operands,
        .params = model->table + step->params,
    };
}

/* Whether a kernel can take the records of a step. It is given records alone, in registers: no
 * tensor is anywhere before a model is accepted. */
typedef es_status_t es_check_t(const es_step_record_t *step, const es_operand_record_t *operands,
                               const es_header_t *table);

struct es_kernel {
    uint16_t id;
    es_check_t *check;
    void (*run)(const es_call_t *call);
    /* The same of a step that accumulates, beginning with es_has_sums(); null where the kernel
     * cannot. `sum` starts the sums in the scratch with input row 0 and writes the output, a single
     * pixel, with the last one. */
    es_check_t *check_sum;
    void (*sum)(const es_call_t *call);
};

/* Bytes of an element of a type that es_init() knows to be one. */
static inline uint32_t es_known_dtype_bytes(uint32_t dtype) {
    const uint32_t sizes = 0x01484211; /* four bits a type */
    return sizes >> (4 * dtype) & 15u;
}

/* The same of any number; 0 for an unknown type. */
static inline uint32_t es_dtype_bytes(uint32_t dtype) {
    return dtype < 8 ? es_known_dtype_bytes(dtype) : 0;
}

/* The only place where an arena address becomes a pointer. The address still has its bank in the
 * highest bits: each entry of `banks` is a bank's base less that. */
static inline void *es_at(const es_model_t *model, uint32_t address) {
    return (void *)(model->banks[address >> ES_BANK_SHIFT] + address);
}

static inline uint32_t es_call_input_count(const es_call_t *call) {
    return call->step->input_count;
}

static inline const es_operand_record_t *es_call_operand(const es_call_t *call, uint32_t index) {
    return call->operands + index;
}

/* The operand whose rows the turns of a step count: the output, or the input of one that
 * accumulates. */
static inline const es_operand_record_t *es_call_paced(const es_call_t *call) {
    return es_call_operand(call,
                           call->step->flags & ES_STEP_ACCUMULATES ? 0 : call->step->input_count);
}

static inline const void *es_call_params(const es_call_t *call) {
    return call->params;
}

static inline const void *es_call_blob(const es_call_t *call, uint32_t offset) {
    return call->model->table + offset;
}

static inline void *es_call_scratch(const es_call_t *call) {
    return es_at(call->model, call->step->scratch);
}

/* An int32 for each element of the output, where the step accumulates. */
static inline uint32_t *es_call_sums(const es_call_t *call) {
    return es_call_scratch(call);
}

/* Input `index`, or the output when `index` is the input count. */
es_rows_t es_call_rows(const es_call_t *call, uint32_t index);

static inline es_rows_t es_call_output(const es_call_t *call) {
    return es_call_rows(call, call->step->input_count);
}

/* True when `count` items of `item_bytes` at `offset` lie in `total` bytes, the first of them at a
 * multiple of `alignment` (a power of two). Exact for every argument. Like all checks it is
 * compiled into its callers: an init of many steps is made of little else. */
static inline int es_lies_in(uint32_t offset, uint32_t count, uint32_t item_bytes, uint32_t total,
                             uint32_t alignment) {
    return (offset & (alignment - 1)) == 0 && (uint64_t)count * item_bytes + offset <= total;
}

/* The same in the table. */
static inline int es_has_blob(const es_header_t *table, uint32_t offset, uint32_t count,
                              uint32_t item_bytes, uint32_t alignment) {
    return es_lies_in(offset, count, item_bytes, table->total_bytes, alignment);
}

static inline const void *es_table_blob(const es_header_t *table, uint32_t offset) {
    return (const uint8_t *)table + offset;
}

static inline const void *es_step_params(const es_step_record_t *step, const es_header_t *table) {
    return es_table_blob(table, step->params);
}

/* Both at once: below 256 it is the type of what lies in the arena. */
static inline uint32_t es_dtype_and_space(const es_operand_record_t *o) {
    uint16_t both;
    memcpy(&both, (const uint8_t *)o + offsetof(es_operand_record_t, dtype), sizeof both);
    return both;
}

/* True when the step has exactly `input_count` inputs, all of type `in`, and an output of `out`
 * that can be written. */
static inline int es_has_types(const es_step_record_t *step, const es_operand_record_t *operands,
                               uint32_t input_count, es_dtype_t in, es_dtype_t out) {
    if (step->input_count != input_count) {
        return 0;
    }
    uint32_t others = es_dtype_and_space(&operands[input_count]) ^ (uint32_t)out;
    for (uint32_t i = 0; i < input_count; i++) {
        others |= operands[i].dtype ^ (uint32_t)in;
    }
    return others == 0;
}

/* Two neighbouring fields of 16 bits. */
static inline uint32_t es_two_at(const void *record, uint32_t offset) {
    uint32_t two;
    memcpy(&two, (const uint8_t *)record + offset, sizeof two);
    return two;
}

/* True for a tensor of a single pixel. */
static inline int es_is_pixel(const es_operand_record_t *o) {
    return es_two_at(o, offsetof(es_operand_record_t, w)) == 0x00010001u;
}

/* True when the step takes a single int8 input into sums for an int8 output of one pixel, and its
 * scratch has an int32 for each channel. */
static inline int es_has_sums(const es_step_record_t *step, const es_operand_record_t *operands) {
    return es_has_types(step, operands, 1, ES_INT8, ES_INT8) && es_is_pixel(&operands[1]) &&
           operands[1].c <= step->scratch_bytes / sizeof(int32_t);
}

/* Elements of a row, whose bytes are known to be fewer than 2^32. */
static inline uint32_t es_row_elements(const es_operand_record_t *o) {
    return o->w * o->c;
}

/* True when the whole operand is in memory: its elements lie one behind the other. */
static inline int es_is_dense(const es_operand_record_t *o) {
    return o->depth == o->h;
}

/* True when a window that walks over an axis moves at all and never leaves 31 bits, so that no sum
 * in its kernel overflows: both products are 1 to 2^30. */
static inline int es_axis_fits(uint16_t outputs, uint16_t stride, uint16_t kernel,
                               uint16_t dilation) {
    const uint32_t moved = (uint32_t)outputs * stride, seen = (uint32_t)kernel * dilation;
    return ((moved - 1) | (seen - 1)) >> 30 == 0;
}

/* The same of both axes at once, for parameters that begin with a kernel, strides and dilations, in
 * this order and each of two uint16: all are 1 to 2^14, so that with 16 bits of outputs every
 * product is at most 2^30. A field of 0 borrows from its top bits. */
static inline int es_windows_fit(const void *params) {
    const uint32_t ones = 0x00010001u;
    const uint32_t less = (es_two_at(params, 0) - ones) | (es_two_at(params, 4) - ones) |
                          (es_two_at(params, 8) - ones);
    return (less & 0xC000C000u) == 0;
}

/* True when a value is one of an int8. */
static inline int es_is_int8(int32_t value) {
    return value == (int8_t)value;
}

#endif
