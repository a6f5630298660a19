/* The loop over a checked model table. */
#include "es_adapter.h"

#include <string.h>

/* es_init() has found each step's kernel in the list before. */
static const es_kernel_t *find_kernel(const es_model_t *model, uint32_t id) {
    const es_kernel_t *const *kernel = model->kernels;

    while ((*kernel)->id != id) {
        kernel++;
    }
    return *kernel;
}

__attribute__((noinline)) es_rows_t es_call_rows(const es_call_t *call, uint32_t index) {
    const es_operand_record_t *record = es_call_operand(call, index);
    const uint32_t element_bytes = es_known_dtype_bytes(record->dtype);
    const es_rows_t rows = {
        /* Constants are read only: the cast serves operands that share one type with others. */
        .base = record->space == ES_SPACE_TABLE
                    ? (uint8_t *)(uintptr_t)call->model->table + record->offset
                    : es_at(call->model, record->offset),
        .row_bytes = es_row_elements(record) * element_bytes,
        .depth = record->depth,
        .h = record->h,
        .w = record->w,
        .c = record->c,
        .element_bytes = element_bytes,
    };
    return rows;
}

static const es_port_record_t *input_at(const es_model_t *model, uint32_t index) {
    return model->ports + index;
}

static const es_port_record_t *output_at(const es_model_t *model, uint32_t index) {
    return model->ports + es_header_of(model)->input_count + index;
}

static const es_operand_record_t *tensor_of(const es_model_t *model, const es_port_record_t *port) {
    return model->operands + port->operand;
}

static __attribute__((noinline)) uint32_t bytes_of(const es_model_t *model,
                                                   const es_port_record_t *port) {
    const es_operand_record_t *tensor = tensor_of(model, port);
    return es_row_elements(tensor) * tensor->h * es_known_dtype_bytes(tensor->dtype);
}

static void read_zeros(void *context, uint32_t input, uint32_t y0, uint32_t y1,
                       const es_rows_t *in) {
    (void)context, (void)input;
    for (uint32_t y = y0; y < y1; y++) {
        memset(es_row(in, y), 0, in->w * in->c * in->element_bytes);
    }
}

void es_set_source(es_model_t *model, const es_source_t *source) {
    model->source = source;
}

typedef struct range {
    uint32_t y0, y1;
} range_t;

/* The next `rows` of an operand's rows, but never more than it has memory for: what a turn wrote
 * must be there to be read. `done` counts them, or is null: all that there is memory for, from the
 * first on. A counter lies in the arena, where a damaged model may have written. */
static range_t next_rows(uint16_t *done, uint32_t rows, const es_operand_record_t *o) {
    range_t range = {0, o->depth};

    if (done != NULL) {
        range.y0 = *done < o->h ? *done : o->h;
        rows = rows < o->depth ? rows : o->depth;
        range.y1 = rows < o->h - range.y0 ? range.y0 + rows : o->h;
        *done = (uint16_t)range.y1;
    }
    return range;
}

static __attribute__((noinline)) void tell(const es_call_t *call, uint32_t index) {
    const es_observer_t *observer = call->model->observer;
    const uint32_t accumulates = call->step->flags & ES_STEP_ACCUMULATES;

    if (observer->rows != NULL && (!accumulates || call->y1 == es_call_paced(call)->h)) {
        const es_rows_t out = es_call_output(call);
        observer->rows(observer->context, index, &out, accumulates ? 0 : call->y0,
                       accumulates ? 1 : call->y1);
    }
}

static void run_step(const es_model_t *model, uint32_t index, uint32_t rows) {
    const es_header_t *header = es_header_of(model);
    const es_step_record_t *step = model->steps + index;
    const es_kernel_t *kernel = find_kernel(model, step->kernel);
    const es_observer_t *observer = model->observer;
    const uint32_t accumulates = step->flags & ES_STEP_ACCUMULATES;
    uint16_t *counters = es_at(model, header->counters);
    es_call_t call = es_call_of(model, step);
    const es_operand_record_t *paced = es_call_paced(&call);
    const range_t range =
        next_rows(step->counter == 0 ? NULL : &counters[step->counter - 1], rows, paced);

    call.y0 = range.y0;
    call.y1 = range.y1;
    if (observer != NULL && observer->before != NULL) {
        observer->before(observer->context, index);
    }
    if (accumulates) {
        kernel->sum(&call);
    } else {
        kernel->run(&call);
    }
    if (observer != NULL) {
        tell(&call, index);
    }
}

static __attribute__((noinline)) void feed(const es_model_t *model, uint32_t input, uint16_t *fed,
                                           uint32_t rows) {
    static const es_source_t zeros = {NULL, read_zeros};
    const es_source_t *source = model->source != NULL ? model->source : &zeros;
    const es_port_record_t *port = input_at(model, input);

    if (port->is_fed) {
        const es_operand_record_t *record = tensor_of(model, port);
        const es_call_t call = {.model = model, .operands = record};
        const es_rows_t in = es_call_rows(&call, 0);
        const range_t range = next_rows(&fed[input], rows, record);
        source->rows(source->context, input, range.y0, range.y1, &in);
    }
}

/* A turn is checked where it is taken: there may be many times as many of them as steps. One of no
 * step, or of no input that is fed, does nothing. */
void es_run(es_model_t *model) {
    const es_header_t *header = es_header_of(model);
    const es_turn_record_t *turns = es_turns_of(model);
    uint16_t fed[ES_MOST_FED] = {0};

    memset(es_at(model, header->counters), 0, header->counter_count * sizeof(uint16_t));
    for (uint32_t i = 0; i < header->turn_count; i++) {
        const uint32_t index = turns[i].step & (ES_FEED_BIT - 1u);

        if (turns[i].step & ES_FEED_BIT) {
            if (index < header->input_count && index < ES_MOST_FED) {
                feed(model, index, fed, turns[i].rows);
            }
        } else if (index < header->step_count) {
            run_step(model, index, turns[i].rows);
        }
    }
}

void es_reset(es_model_t *model) {
    const es_state_record_t *state = es_states_of(model);

    for (uint32_t count = es_header_of(model)->state_count; count != 0; count--, state++) {
        memset(es_at(model, state->offset), (int)state->fill, state->bytes);
    }
}

static __attribute__((noinline)) es_port_info_t describe(const es_model_t *model,
                                                         const es_port_record_t *port) {
    const es_operand_record_t *tensor = tensor_of(model, port);
    const uint32_t *dims = (const uint32_t *)(model->table + port->shape);
    es_port_info_t info = {
        .name = (const char *)(dims + port->rank),
        .dtype = (es_dtype_t)tensor->dtype,
        .bytes = bytes_of(model, port),
        .elements = es_row_elements(tensor) * tensor->h,
        .rank = port->rank,
        .dims = dims,
        .zero_point = port->zero_point,
    };
    memcpy(&info.scale, &port->scale, sizeof info.scale);
    return info;
}

uint32_t es_input_count(const es_model_t *model) {
    return es_header_of(model)->input_count;
}

uint32_t es_output_count(const es_model_t *model) {
    return es_header_of(model)->output_count;
}

void *es_input(const es_model_t *model, uint32_t index) {
    const es_port_record_t *port = input_at(model, index);
    return port->is_fed ? NULL : es_at(model, tensor_of(model, port)->offset);
}

void *es_output(const es_model_t *model, uint32_t index) {
    return es_at(model, tensor_of(model, output_at(model, index))->offset);
}

uint32_t es_input_bytes(const es_model_t *model, uint32_t index) {
    return bytes_of(model, input_at(model, index));
}

uint32_t es_output_bytes(const es_model_t *model, uint32_t index) {
    return bytes_of(model, output_at(model, index));
}

es_port_info_t es_input_info(const es_model_t *model, uint32_t index) {
    return describe(model, input_at(model, index));
}

es_port_info_t es_output_info(const es_model_t *model, uint32_t index) {
    return describe(model, output_at(model, index));
}

const char *es_name(const es_model_t *model) {
    return (const char *)(es_header_of(model) + 1);
}

uint32_t es_step_count(const es_model_t *model) {
    return es_header_of(model)->step_count;
}

uint32_t es_step_kernel(const es_model_t *model, uint32_t step) {
    return model->steps[step].kernel;
}

uint32_t es_bank_bytes(const es_model_t *model, uint32_t bank) {
    return bank < ES_MOST_BANKS ? es_header_of(model)->bank_bytes[bank] : 0;
}

uint32_t es_arena_bytes(const es_model_t *model) {
    uint32_t bytes = 0;
    for (uint32_t bank = 0; bank < ES_MOST_BANKS; bank++) {
        bytes += es_bank_bytes(model, bank);
    }
    return bytes;
}

uint32_t es_table_bytes(const es_model_t *model) {
    return es_header_of(model)->total_bytes;
}

const uint8_t *es_table_sha256(const es_model_t *model) {
    return es_header_of(model)->sha256;
}
