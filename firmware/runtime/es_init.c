/* The only place that trusts nothing: every field of a model table, before anything runs. */
#include "es_adapter.h"

#include <string.h>

_Static_assert(sizeof(es_header_t) == 160, "docs/FORMAT.md: header");
_Static_assert(sizeof(es_bank_record_t) == 16, "docs/FORMAT.md: banks");
_Static_assert(sizeof(es_operand_record_t) == 20, "docs/FORMAT.md: operand");
_Static_assert(sizeof(es_step_record_t) == 24, "docs/FORMAT.md: step");
_Static_assert(sizeof(es_port_record_t) == 36, "docs/FORMAT.md: port");

/* What every offset and address is held against. */
typedef struct limits {
    uint32_t bank_bytes[ES_MOST_BANKS];
    uint32_t table_bytes;
    uint32_t counter_count;
} limits_t;

/* Whether bytes lie in one bank of the arena: nothing that lies in two has an address. */
static inline int in_arena(const limits_t *limits, uint32_t address, uint32_t bytes) {
    const uint32_t offset = address & (ES_MOST_BANK_BYTES - 1u);
    const uint32_t bank_bytes = limits->bank_bytes[address >> ES_BANK_SHIFT];
    return offset <= bank_bytes && bytes <= bank_bytes - offset;
}

static inline int in_table(const limits_t *limits, uint32_t offset, uint32_t count,
                           uint32_t item_bytes) {
    return es_lies_in(offset, count, item_bytes, limits->table_bytes, 4);
}

/* A table that ends with a zero byte ends all its texts. */
static int is_text(const limits_t *limits, const uint8_t *table, uint32_t offset) {
    const uint32_t end = limits->table_bytes;
    return offset < end && (table[end - 1] == 0 || memchr(table + offset, 0, end - offset) != NULL);
}

/* Bytes of one of an operand's pixels for a channel; 0 for elements of no type, or misaligned. */
static uint32_t wide_pixel(const es_operand_record_t *o) {
    const uint32_t element_bytes = es_dtype_bytes(o->dtype);
    const uint32_t misaligned = (o->offset | o->row_bytes) & (element_bytes - 1);
    return element_bytes == 0 || misaligned != 0 ? 0 : o->w * element_bytes;
}

/* Operands [o, end), of which the last is written. */
static __attribute__((noinline)) es_status_t check_operands(const limits_t *limits,
                                                            const es_operand_record_t *o,
                                                            const es_operand_record_t *end) {
    for (; o != end; o++) {
        const uint32_t pixel_bytes = o->dtype <= ES_UINT8 ? o->w : wide_pixel(o);
        const uint64_t row = (uint64_t)pixel_bytes * o->c;
        const uint64_t bytes = (uint64_t)o->depth * o->row_bytes;

        /* Rows of 1 to row_bytes and a depth of 1 to h, by one comparison each: so h is not 0. */
        if ((row | bytes) >> 32 != 0 || (uint32_t)row - 1u >= o->row_bytes ||
            o->depth - 1u >= o->h) {
            return ES_BAD_RECORD;
        }
        if (o->space == ES_SPACE_ARENA) {
            if (!in_arena(limits, o->offset, (uint32_t)bytes)) {
                return ES_OUT_OF_BOUNDS;
            }
        } else if (o->space != ES_SPACE_TABLE || o + 1 == end) {
            return ES_BAD_RECORD;
        } else if (!es_lies_in(o->offset, 1, (uint32_t)bytes, limits->table_bytes, 1)) {
            return ES_OUT_OF_BOUNDS;
        }
    }
    return ES_OK;
}

/* Of the kernels before `end`, the last first: those made for a core have the highest ids. */
static inline const es_kernel_t *kernel_of(const es_kernel_t *const *kernels,
                                           const es_kernel_t *const *end, uint32_t id) {
    while (end != kernels) {
        if ((*--end)->id == id) {
            return *end;
        }
    }
    return NULL;
}

/* True when a step that accumulates has one row, and room for its sums. */
static int is_summed(const es_call_t *call, const es_kernel_t *kernel) {
    const es_step_record_t *step = call->step;
    const es_operand_record_t *out = es_call_operand(call, step->input_count);

    return step->flags == ES_STEP_ACCUMULATES && kernel->check_sum != NULL &&
           step->input_count != 0 && out->h == 1 &&
           es_row_elements(out) <= step->scratch_bytes / sizeof(int32_t);
}

/* Checks the call's step; `made` is an operand that has been checked before. */
static inline es_status_t check_step(const limits_t *limits, const es_call_t *call,
                                     const es_kernel_t *kernel, const es_operand_record_t *made) {
    const es_step_record_t *step = call->step;
    const uint32_t operands = (step->input_count + 1u) * (uint32_t)sizeof(es_operand_record_t);
    const es_operand_record_t *first = call->operands;
    const es_operand_record_t *end =
        (const es_operand_record_t *)((const uint8_t *)first + operands);

    /* No kernel's parameters are longer than the header. */
    if (((step->operands | step->params) & 3u) != 0 ||
        step->params > limits->table_bytes - kernel->params_bytes ||
        !es_lies_in(step->operands, 1, operands, limits->table_bytes, 1)) {
        return ES_OUT_OF_BOUNDS;
    }
    if (step->scratch_bytes != 0 && ((step->scratch & (ES_ALIGNMENT - 1)) != 0 ||
                                     !in_arena(limits, step->scratch, step->scratch_bytes))) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_status_t status = check_operands(limits, first == made ? first + 1 : first, end);
    if (status != ES_OK) {
        return status;
    }
    const es_operand_record_t *paced = step->flags & ES_STEP_ACCUMULATES ? first : end - 1;
    /* What is computed in one turn is in memory as a whole. */
    if (step->counter >= limits->counter_count &&
        (step->counter != ES_NO_COUNTER || paced->depth != paced->h)) {
        return ES_BAD_RECORD;
    }
    if (step->flags == 0) {
        return kernel->check(call);
    }
    return is_summed(call, kernel) ? kernel->check_sum(call) : ES_BAD_RECORD;
}

static __attribute__((noinline)) es_status_t check_steps(const limits_t *limits,
                                                         const es_model_t *model) {
    const uint8_t *table = model->table;
    const es_header_t *header = (const es_header_t *)table;
    const es_step_record_t *step = (const es_step_record_t *)(table + header->steps);
    const es_kernel_t *const *kernels = model->kernels, *const *last =
                                                            kernels + model->kernel_count;
    const es_operand_record_t *made = NULL;
    es_call_t call = {.model = model};

    if (!in_table(limits, header->steps, header->step_count, sizeof *step)) {
        return ES_OUT_OF_BOUNDS;
    }
    for (const es_step_record_t *end = step + header->step_count; step != end; step++) {
        const es_kernel_t *kernel = kernel_of(kernels, last, step->kernel);

        if (kernel == NULL) {
            return ES_UNKNOWN_KERNEL;
        }
        call.step = step;
        call.operands = (const es_operand_record_t *)(table + step->operands);
        call.params = table + step->params;
        const es_status_t status = check_step(limits, &call, kernel, made);
        if (status != ES_OK) {
            return status;
        }
        made = call.operands + step->input_count;
    }
    return ES_OK;
}

/* The ring that the rows of an input are fed to: an operand that is written, like an output. */
static es_status_t check_fed(const limits_t *limits, const uint8_t *table,
                             const es_port_record_t *port) {
    const es_operand_record_t *rows = (const es_operand_record_t *)(table + port->rows);

    if (!in_table(limits, port->rows, 1, sizeof *rows)) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_status_t status = check_operands(limits, rows, rows + 1);
    if (status != ES_OK) {
        return status;
    }
    return rows->dtype == port->dtype && (uint64_t)es_row_elements(rows) * rows->h == port->elements
               ? ES_OK
               : ES_BAD_RECORD;
}

static inline es_status_t check_port(const limits_t *limits, const uint8_t *table,
                                     const es_port_record_t *port, int is_input) {
    const uint32_t element_bytes = es_dtype_bytes(port->dtype);

    if (element_bytes == 0 || (uint64_t)port->elements * element_bytes != port->bytes) {
        return ES_BAD_RECORD;
    }
    if (!in_table(limits, port->dims, port->rank, sizeof(uint32_t)) ||
        !is_text(limits, table, port->name)) {
        return ES_OUT_OF_BOUNDS;
    }
    if (port->rows != 0) {
        return is_input ? check_fed(limits, table, port) : ES_BAD_RECORD;
    }
    return (port->offset & (element_bytes - 1)) == 0 && in_arena(limits, port->offset, port->bytes)
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static es_status_t check_ports(const limits_t *limits, const uint8_t *table, uint32_t offset,
                               uint32_t count, int is_input) {
    const es_port_record_t *port = (const es_port_record_t *)(table + offset);

    if (!in_table(limits, offset, count, sizeof *port)) {
        return ES_OUT_OF_BOUNDS;
    }
    for (const es_port_record_t *end = port + count; port != end; port++) {
        const es_status_t status = check_port(limits, table, port, is_input);
        if (status != ES_OK) {
            return status;
        }
    }
    return ES_OK;
}

static es_status_t check_states(const limits_t *limits, const es_header_t *header) {
    const uint8_t *table = (const uint8_t *)header;
    const es_state_record_t *state = (const es_state_record_t *)(table + header->states);

    if (!in_table(limits, header->states, header->state_count, sizeof *state)) {
        return ES_OUT_OF_BOUNDS;
    }
    for (const es_state_record_t *end = state + header->state_count; state != end; state++) {
        if (!in_arena(limits, state->offset, state->bytes)) {
            return ES_OUT_OF_BOUNDS;
        }
    }
    return ES_OK;
}

static __attribute__((noinline)) es_status_t check_header(const es_header_t *header,
                                                          size_t table_bytes) {
    if (table_bytes < sizeof *header) {
        return ES_TRUNCATED;
    }
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
    return header->total_bytes < least_bytes || header->total_bytes > table_bytes ? ES_TRUNCATED
                                                                                  : ES_OK;
}

__attribute__((noinline)) uint32_t es_table_bank_bytes(const void *table, size_t table_bytes,
                                                       uint32_t bank) {
    const es_header_t *header = (const es_header_t *)table;

    if (table == NULL || ((uintptr_t)table & (ES_ALIGNMENT - 1)) != 0 ||
        check_header(header, table_bytes) != ES_OK || bank >= ES_MOST_BANKS) {
        return 0;
    }
    return es_bank_need(header, bank);
}

uint32_t es_table_arena_bytes(const void *table, size_t table_bytes) {
    return es_table_bank_bytes(table, table_bytes, 0);
}

static es_status_t check_table(const limits_t *limits, const es_model_t *model) {
    const es_header_t *header = (const es_header_t *)model->table;
    const uint8_t *table = model->table;
    es_status_t status = ES_OK;

    if (!is_text(limits, table, header->name) ||
        !in_table(limits, header->schedule, header->turn_count, sizeof(es_turn_record_t)) ||
        (header->counters & 1u) != 0 ||
        !in_arena(limits, header->counters, header->counter_count * (uint32_t)sizeof(uint16_t))) {
        return ES_OUT_OF_BOUNDS;
    }
    if ((status = check_ports(limits, table, header->inputs, header->input_count, 1)) != ES_OK ||
        (status = check_ports(limits, table, header->outputs, header->output_count, 0)) != ES_OK ||
        (status = check_states(limits, header)) != ES_OK) {
        return status;
    }
    return check_steps(limits, model);
}

/* Whether each bank has what the table asks for. One that is not given lies at the last that is: no
 * record has bytes there. */
static es_status_t take_banks(es_model_t *model, limits_t *limits, const es_header_t *header,
                              const es_bank_t *banks, uint32_t count) {
    uintptr_t base = 0;

    for (uint32_t bank = 0; bank < ES_MOST_BANKS; bank++) {
        const uint32_t need = es_bank_need(header, bank);

        if (bank < count) {
            base = (uintptr_t)banks[bank].base;
            if (base == 0 || (base & (ES_ALIGNMENT - 1)) != 0) {
                return ES_BAD_ARGUMENT;
            }
        }
        if (need > (bank < count ? banks[bank].bytes : 0) || need > ES_MOST_BANK_BYTES) {
            return ES_ARENA_TOO_SMALL;
        }
        limits->bank_bytes[bank] = need;
        model->banks[bank] = base - ((uintptr_t)bank << ES_BANK_SHIFT);
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
    limits_t limits;
    es_status_t status = check_header(header, table_bytes);
    if (status != ES_OK ||
        (status = take_banks(model, &limits, header, banks, (uint32_t)bank_count)) != ES_OK) {
        return status;
    }
    limits.table_bytes = header->total_bytes;
    limits.counter_count = header->counter_count;
    model->table = table;
    model->kernels = kernels;
    model->kernel_count = (uint32_t)kernel_count;
    model->observer = NULL;
    model->source = NULL;
    status = check_table(&limits, model);
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
