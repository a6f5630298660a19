/* The loop over a checked model table. */
#include "es_adapter.h"

#include <string.h>

static const es_header_t *header_of(const es_model_t *model) {
    return (const es_header_t *)model->table;
}

static const es_kernel_t *find_kernel(const es_model_t *model, uint32_t id) {
    for (uint32_t i = 0; i < model->kernel_count; i++) {
        if (model->kernels[i]->id == id) {
            return model->kernels[i];
        }
    }
    return NULL;
}

es_rows_t es_call_rows(const es_call_t *call, uint32_t index) {
    const es_operand_record_t *record = es_call_operand(call, index);
    /* Constants are read only: the cast serves operands that share one type with writable ones. */
    uint8_t *space = record->space == ES_SPACE_TABLE ? (uint8_t *)(uintptr_t)call->model->table
                                                     : call->model->arena;
    es_rows_t rows = {
        .base = space + record->offset,
        .row_bytes = record->row_bytes,
        .depth = record->depth,
        .h = record->h,
        .w = record->w,
        .c = record->c,
        .element_bytes = es_dtype_bytes(record->dtype),
    };
    return rows;
}

void es_run(es_model_t *model) {
    const es_header_t *header = header_of(model);
    const es_step_record_t *steps = (const es_step_record_t *)(model->table + header->steps);
    const es_turn_record_t *turns = (const es_turn_record_t *)(model->table + header->schedule);
    uint16_t *counters = (uint16_t *)(void *)(model->arena + header->counters);
    const es_observer_t *observer = model->observer;

    for (uint32_t i = 0; i < header->counter_count; i++) {
        counters[i] = 0;
    }
    for (uint32_t i = 0; i < header->turn_count; i++) {
        const uint32_t index = turns[i].step;
        const es_step_record_t *step = &steps[index];
        const es_kernel_t *kernel = find_kernel(model, step->kernel);
        es_call_t call = {.model = model, .step = step};
        const uint32_t h = es_call_operand(&call, step->input_count)->h;

        call.y1 = h;
        if (step->counter != ES_NO_COUNTER) {
            /* The counter lies in the arena, where a damaged model may have written. */
            const uint32_t done = counters[step->counter];
            call.y0 = done < h ? done : h;
            call.y1 = turns[i].rows < h - call.y0 ? call.y0 + turns[i].rows : h;
            counters[step->counter] = (uint16_t)call.y1;
        }
        if (observer != NULL && observer->before != NULL) {
            observer->before(observer->context, index);
        }
        kernel->run(&call);
        if (observer != NULL && observer->rows != NULL) {
            const es_rows_t out = es_call_output(&call);
            observer->rows(observer->context, index, &out, call.y0, call.y1);
        }
    }
}

void es_reset(es_model_t *model) {
    const es_header_t *header = header_of(model);
    const es_state_record_t *states = (const es_state_record_t *)(model->table + header->states);

    for (uint32_t i = 0; i < header->state_count; i++) {
        memset(model->arena + states[i].offset, (int)states[i].fill, states[i].bytes);
    }
}

static const es_port_record_t *port_at(const es_model_t *model, uint32_t ports, uint32_t index) {
    return (const es_port_record_t *)(model->table + ports) + index;
}

static es_port_info_t describe(const es_model_t *model, const es_port_record_t *port) {
    es_port_info_t info = {
        .name = (const char *)(model->table + port->name),
        .dtype = (es_dtype_t)port->dtype,
        .bytes = port->bytes,
        .elements = port->elements,
        .rank = port->rank,
        .dims = (const uint32_t *)(model->table + port->dims),
        .zero_point = port->zero_point,
    };
    memcpy(&info.scale, &port->scale, sizeof info.scale);
    return info;
}

uint32_t es_input_count(const es_model_t *model) {
    return header_of(model)->input_count;
}

uint32_t es_output_count(const es_model_t *model) {
    return header_of(model)->output_count;
}

void *es_input(const es_model_t *model, uint32_t index) {
    return model->arena + port_at(model, header_of(model)->inputs, index)->offset;
}

void *es_output(const es_model_t *model, uint32_t index) {
    return model->arena + port_at(model, header_of(model)->outputs, index)->offset;
}

uint32_t es_input_bytes(const es_model_t *model, uint32_t index) {
    return port_at(model, header_of(model)->inputs, index)->bytes;
}

uint32_t es_output_bytes(const es_model_t *model, uint32_t index) {
    return port_at(model, header_of(model)->outputs, index)->bytes;
}

es_port_info_t es_input_info(const es_model_t *model, uint32_t index) {
    return describe(model, port_at(model, header_of(model)->inputs, index));
}

es_port_info_t es_output_info(const es_model_t *model, uint32_t index) {
    return describe(model, port_at(model, header_of(model)->outputs, index));
}

const char *es_name(const es_model_t *model) {
    return (const char *)(model->table + header_of(model)->name);
}

uint32_t es_step_count(const es_model_t *model) {
    return header_of(model)->step_count;
}

uint32_t es_step_kernel(const es_model_t *model, uint32_t step) {
    return ((const es_step_record_t *)(model->table + header_of(model)->steps))[step].kernel;
}

uint32_t es_arena_bytes(const es_model_t *model) {
    return header_of(model)->arena_bytes;
}

uint32_t es_table_bytes(const es_model_t *model) {
    return header_of(model)->total_bytes;
}

const uint8_t *es_table_sha256(const es_model_t *model) {
    return header_of(model)->sha256;
}
