/* The only place that trusts nothing: every field of a model table, before anything runs. */
#include "es_adapter.h"

#include <string.h>

_Static_assert(sizeof(es_header_t) == 160, "docs/FORMAT.md: header");
_Static_assert(sizeof(es_bank_record_t) == 16, "docs/FORMAT.md: banks");
_Static_assert(sizeof(es_operand_record_t) == 20, "docs/FORMAT.md: operand");
_Static_assert(sizeof(es_step_record_t) == 24, "docs/FORMAT.md: step");
_Static_assert(sizeof(es_port_record_t) == 36, "docs/FORMAT.md: port");

uint32_t es_dtype_bytes(uint32_t dtype) {
    static const uint8_t sizes[] = {1, 1, 2, 4, 8, 4, 1};
    return dtype < sizeof sizes ? sizes[dtype] : 0;
}

static int lies_in(uint64_t offset, uint64_t bytes, uint32_t total, uint32_t alignment) {
    return (offset & (alignment - 1)) == 0 && offset <= total && bytes <= total - offset;
}

static int in_table(const es_header_t *header, uint32_t offset, uint64_t bytes,
                    uint32_t alignment) {
    return lies_in(offset, bytes, header->total_bytes, alignment);
}

/* In one bank of it: nothing that lies in two has an address. */
static __attribute__((noinline)) int in_arena(const es_header_t *header, uint32_t address,
                                              uint64_t bytes, uint32_t alignment) {
    return lies_in(address & (ES_MOST_BANK_BYTES - 1u), bytes,
                   es_bank_need(header, address >> ES_BANK_SHIFT), alignment);
}

static int is_text(const es_header_t *header, uint32_t offset) {
    const char *table = (const char *)header;
    return offset < header->total_bytes &&
           memchr(table + offset, 0, header->total_bytes - offset) != NULL;
}

int es_call_has_blob(const es_call_t *call, uint32_t offset, uint64_t bytes, uint32_t alignment) {
    return in_table((const es_header_t *)call->model->table, offset, bytes, alignment);
}

int es_call_has_types(const es_call_t *call, uint32_t input_count, es_dtype_t in, es_dtype_t out) {
    if (call->step->input_count != input_count ||
        es_call_operand(call, input_count)->dtype != out) {
        return 0;
    }
    for (uint32_t i = 0; i < input_count; i++) {
        if (es_call_operand(call, i)->dtype != in) {
            return 0;
        }
    }
    return 1;
}

int es_call_is_dense(const es_call_t *call, uint32_t index) {
    const es_operand_record_t *o = es_call_operand(call, index);
    return o->depth == o->h && o->row_bytes == (uint64_t)o->w * o->c * es_dtype_bytes(o->dtype);
}

static __attribute__((noinline)) es_status_t check_operand(const es_header_t *header,
                                                           const es_operand_record_t *o,
                                                           int is_output) {
    const uint32_t element_bytes = es_dtype_bytes(o->dtype);

    if (element_bytes == 0 || o->h == 0 || o->w == 0 || o->c == 0 || o->depth == 0 ||
        o->depth > o->h || (is_output && o->space != ES_SPACE_ARENA)) {
        return ES_BAD_RECORD;
    }
    /* w < 2^16 and element_bytes <= 8: the product with c < 2^32 fits 64 bits. */
    if ((uint64_t)o->w * o->c * element_bytes > o->row_bytes ||
        (o->row_bytes & (element_bytes - 1)) != 0) {
        return ES_BAD_RECORD;
    }
    const uint64_t bytes = (uint64_t)o->depth * o->row_bytes;
    if (o->space == ES_SPACE_ARENA) {
        return in_arena(header, o->offset, bytes, element_bytes) ? ES_OK : ES_OUT_OF_BOUNDS;
    }
    if (o->space == ES_SPACE_TABLE) {
        return in_table(header, o->offset, bytes, element_bytes) ? ES_OK : ES_OUT_OF_BOUNDS;
    }
    return ES_BAD_RECORD;
}

static const es_kernel_t *kernel_of(const es_model_t *model, uint32_t id) {
    for (uint32_t i = 0; i < model->kernel_count; i++) {
        if (model->kernels[i]->id == id) {
            return model->kernels[i];
        }
    }
    return NULL;
}

static es_status_t check_step(const es_model_t *model, const es_step_record_t *step) {
    const es_header_t *header = (const es_header_t *)model->table;
    const uint32_t operands = step->input_count + 1u;
    const es_kernel_t *kernel = kernel_of(model, step->kernel);
    es_call_t call = {.model = model, .step = step};

    if (kernel == NULL) {
        return ES_UNKNOWN_KERNEL;
    }
    if (!in_table(header, step->operands, operands * (uint64_t)sizeof(es_operand_record_t), 4) ||
        !in_table(header, step->params, kernel->params_bytes, 4) ||
        !in_arena(header, step->scratch, step->scratch_bytes, ES_ALIGNMENT)) {
        return ES_OUT_OF_BOUNDS;
    }
    if (step->counter != ES_NO_COUNTER && step->counter >= header->counter_count) {
        return ES_BAD_RECORD;
    }
    for (uint32_t i = 0; i < operands; i++) {
        const es_status_t status =
            check_operand(header, es_call_operand(&call, i), i == step->input_count);
        if (status != ES_OK) {
            return status;
        }
    }
    const es_operand_record_t *out = es_call_operand(&call, step->input_count);
    if (step->flags == 0) {
        call.y1 = out->h;
        return kernel->check(&call);
    }
    if (step->flags != ES_STEP_ACCUMULATES || kernel->check_sum == NULL || step->input_count == 0 ||
        out->h != 1 || (uint64_t)out->w * out->c > step->scratch_bytes / sizeof(int32_t)) {
        return ES_BAD_RECORD;
    }
    call.y1 = es_call_operand(&call, 0)->h;
    return kernel->check_sum(&call);
}

/* Where a port's elements lie: all of them at its offset, or an input's in the rows of a ring. */
static es_status_t check_place(const es_header_t *header, const es_port_record_t *port,
                               int is_input) {
    const uint8_t *table = (const uint8_t *)header;

    if (port->rows == 0) {
        return in_arena(header, port->offset, port->bytes, es_dtype_bytes(port->dtype))
                   ? ES_OK
                   : ES_OUT_OF_BOUNDS;
    }
    if (!in_table(header, port->rows, sizeof(es_operand_record_t), 4)) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_operand_record_t *rows = (const es_operand_record_t *)(table + port->rows);
    /* What is fed is written: an operand like an output. */
    const es_status_t status = check_operand(header, rows, 1);
    if (status != ES_OK) {
        return status;
    }
    return is_input && rows->dtype == port->dtype &&
                   (uint64_t)rows->w * rows->c * rows->h == port->elements
               ? ES_OK
               : ES_BAD_RECORD;
}

static es_status_t check_ports(const es_header_t *header, uint32_t offset, uint32_t count,
                               int is_input) {
    const uint8_t *table = (const uint8_t *)header;

    if (!in_table(header, offset, count * (uint64_t)sizeof(es_port_record_t), 4)) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_port_record_t *ports = (const es_port_record_t *)(table + offset);
    for (uint32_t i = 0; i < count; i++) {
        const es_port_record_t *port = &ports[i];
        const uint32_t element_bytes = es_dtype_bytes(port->dtype);

        if (element_bytes == 0 || (uint64_t)port->elements * element_bytes != port->bytes) {
            return ES_BAD_RECORD;
        }
        const es_status_t status = check_place(header, port, is_input);
        if (status != ES_OK) {
            return status;
        }
        if (!in_table(header, port->dims, port->rank * (uint64_t)sizeof(uint32_t), 4) ||
            !is_text(header, port->name)) {
            return ES_OUT_OF_BOUNDS;
        }
    }
    return ES_OK;
}

static es_status_t check_states(const es_header_t *header) {
    const uint8_t *table = (const uint8_t *)header;

    if (!in_table(header, header->states, header->state_count * (uint64_t)sizeof(es_state_record_t),
                  4)) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_state_record_t *states = (const es_state_record_t *)(table + header->states);
    for (uint32_t i = 0; i < header->state_count; i++) {
        if (!in_arena(header, states[i].offset, states[i].bytes, 1)) {
            return ES_OUT_OF_BOUNDS;
        }
    }
    return ES_OK;
}

/* No turn writes more rows than its output has memory for, or takes up more than its input has:
 * what it wrote must be there to be read, and no damaged height makes a turn last longer than its
 * memory can justify. */
static int is_turn(const es_header_t *header, const es_turn_record_t *turn) {
    const uint8_t *table = (const uint8_t *)header;
    const uint32_t index = turn->step & (ES_FEED_BIT - 1u);

    if (turn->step & ES_FEED_BIT) {
        const es_port_record_t *inputs = (const es_port_record_t *)(table + header->inputs);
        if (index >= header->input_count || index >= ES_MOST_FED || inputs[index].rows == 0) {
            return 0;
        }
        return turn->rows <= ((const es_operand_record_t *)(table + inputs[index].rows))->depth;
    }
    if (index >= header->step_count) {
        return 0;
    }
    const es_step_record_t *step = (const es_step_record_t *)(table + header->steps) + index;
    const es_operand_record_t *operands = (const es_operand_record_t *)(table + step->operands);
    const es_operand_record_t *o =
        &operands[step->flags & ES_STEP_ACCUMULATES ? 0 : step->input_count];
    return (step->counter == ES_NO_COUNTER ? o->h : turn->rows) <= o->depth;
}

/* The ports and steps have been checked. */
static es_status_t check_schedule(const es_header_t *header) {
    const uint8_t *table = (const uint8_t *)header;

    if (!in_table(header, header->schedule, header->turn_count * (uint64_t)sizeof(es_turn_record_t),
                  4) ||
        !in_arena(header, header->counters, header->counter_count * (uint64_t)sizeof(uint16_t),
                  2)) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_turn_record_t *turns = (const es_turn_record_t *)(table + header->schedule);
    for (uint32_t i = 0; i < header->turn_count; i++) {
        if (!is_turn(header, &turns[i])) {
            return ES_BAD_RECORD;
        }
    }
    return ES_OK;
}

static __attribute__((noinline)) es_status_t check_header(const es_header_t *header,
                                                          size_t table_bytes) {
    if (header->magic != ES_MAGIC) {
        return ES_BAD_MAGIC;
    }
    if (header->format_version < ES_ONE_BANK_FORMAT || header->format_version > ES_FORMAT_VERSION ||
        header->kernel_set_version != ES_KERNEL_SET_VERSION) {
        return ES_BAD_VERSION;
    }
    const uint32_t least_bytes = header->format_version == ES_ONE_BANK_FORMAT
                                     ? (uint32_t)sizeof *header
                                     : (uint32_t)(sizeof *header + sizeof(es_bank_record_t));
    if (header->total_bytes < least_bytes || header->total_bytes > table_bytes) {
        return ES_TRUNCATED;
    }
    return ES_OK;
}

uint32_t es_table_bank_bytes(const void *table, size_t table_bytes, uint32_t bank) {
    const es_header_t *header = (const es_header_t *)table;

    if (table == NULL || ((uintptr_t)table & (ES_ALIGNMENT - 1)) != 0 ||
        table_bytes < sizeof *header || check_header(header, table_bytes) != ES_OK ||
        bank >= ES_MOST_BANKS) {
        return 0;
    }
    return es_bank_need(header, bank);
}

uint32_t es_table_arena_bytes(const void *table, size_t table_bytes) {
    return es_table_bank_bytes(table, table_bytes, 0);
}

static es_status_t check_table(const es_model_t *model) {
    const es_header_t *header = (const es_header_t *)model->table;
    es_status_t status = ES_OK;

    if (!is_text(header, header->name) ||
        !in_table(header, header->steps, header->step_count * (uint64_t)sizeof(es_step_record_t),
                  4)) {
        return ES_OUT_OF_BOUNDS;
    }
    if ((status = check_ports(header, header->inputs, header->input_count, 1)) != ES_OK ||
        (status = check_ports(header, header->outputs, header->output_count, 0)) != ES_OK ||
        (status = check_states(header)) != ES_OK) {
        return status;
    }
    const es_step_record_t *steps = (const es_step_record_t *)(model->table + header->steps);
    for (uint32_t i = 0; i < header->step_count; i++) {
        if ((status = check_step(model, &steps[i])) != ES_OK) {
            return status;
        }
    }
    return check_schedule(header);
}

/* Whether each bank has what the table asks for. One that is not given lies at the first: no record
 * has bytes there. */
static es_status_t take_banks(es_model_t *model, const es_header_t *header, const es_bank_t *banks,
                              size_t count) {
    for (uint32_t bank = 0; bank < ES_MOST_BANKS; bank++) {
        const es_bank_t *given = &banks[bank < count ? bank : 0];
        const size_t bytes = given->bytes < ES_MOST_BANK_BYTES ? given->bytes : ES_MOST_BANK_BYTES;

        if (given->base == NULL || ((uintptr_t)given->base & (ES_ALIGNMENT - 1)) != 0) {
            return ES_BAD_ARGUMENT;
        }
        if (es_bank_need(header, bank) > (bank < count ? bytes : 0)) {
            return ES_ARENA_TOO_SMALL;
        }
        model->banks[bank] = (uintptr_t)given->base - ((uintptr_t)bank << ES_BANK_SHIFT);
    }
    return ES_OK;
}

es_status_t es_init(es_model_t *model, const void *table, size_t table_bytes,
                    const es_kernel_t *const *kernels, size_t kernel_count, void *arena,
                    size_t arena_bytes) {
    const es_bank_t bank = {arena, arena_bytes};

    return es_init_banks(model, table, table_bytes, kernels, kernel_count, &bank, 1);
}

es_status_t es_init_banks(es_model_t *model, const void *table, size_t table_bytes,
                          const es_kernel_t *const *kernels, size_t kernel_count,
                          const es_bank_t *banks, size_t bank_count) {
    const es_header_t *header = (const es_header_t *)table;

    if (model == NULL || table == NULL || ((uintptr_t)table & (ES_ALIGNMENT - 1)) != 0 ||
        banks == NULL || bank_count == 0 || bank_count > ES_MOST_BANKS) {
        return ES_BAD_ARGUMENT;
    }
    if (table_bytes < sizeof *header) {
        return ES_TRUNCATED;
    }
    es_status_t status = check_header(header, table_bytes);
    if (status != ES_OK || (status = take_banks(model, header, banks, bank_count)) != ES_OK) {
        return status;
    }
    model->table = table;
    model->kernels = kernels;
    model->kernel_count = (uint32_t)kernel_count;
    model->observer = NULL;
    es_set_source(model, NULL);
    status = check_table(model);
    if (status == ES_OK) {
        es_reset(model);
    }
    return status;
}

const char *es_status_text(es_status_t status) {
    switch (status) {
    case ES_OK:
        return "ok";
    case ES_BAD_ARGUMENT:
        return "bad argument";
    case ES_BAD_MAGIC:
        return "not a model table";
    case ES_BAD_VERSION:
        return "format or kernel set of another version";
    case ES_TRUNCATED:
        return "truncated";
    case ES_ARENA_TOO_SMALL:
        return "arena too small";
    case ES_OUT_OF_BOUNDS:
        return "record out of bounds";
    case ES_UNKNOWN_KERNEL:
        return "kernel not linked in";
    case ES_BAD_RECORD:
        return "bad record";
    }
    return "unknown status";
}
