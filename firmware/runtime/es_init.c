/* The only place that trusts nothing: every field of a model table, before anything runs. */
#include "es_adapter.h"

_Static_assert(sizeof(es_header_t) == 180, "docs/FORMAT.md: header");
_Static_assert(sizeof(es_operand_record_t) == 16, "docs/FORMAT.md: operand");
_Static_assert(sizeof(es_step_record_t) == 24, "docs/FORMAT.md: step");
_Static_assert(sizeof(es_port_record_t) == 32, "docs/FORMAT.md: port");

/* What every offset and address is held against. */
typedef struct limits {
    uint32_t bank_ends[ES_MOST_BANKS]; /* arena addresses */
    uint32_t table_bytes;              /* below ES_TABLE_LIMIT */
} limits_t;

/* Whether bytes lie in one bank of the arena: nothing that lies in two has an address. An address
 * and the end of its bank are never more than 2^30 apart. */
static inline int in_arena(const limits_t *limits, uint32_t address, uint32_t bytes) {
    const int32_t left = (int32_t)(limits->bank_ends[address >> ES_BANK_SHIFT] - address);
    return left >= 0 && bytes <= (uint32_t)left;
}

/* Whether at most 2^16 records lie in the table: their bytes behind an offset stay in 32 bits. */
static inline int in_table(const limits_t *limits, uint32_t offset, uint32_t bytes) {
    return (offset & (ES_TABLE_LIMIT | 3u)) == 0 && offset + bytes <= limits->table_bytes;
}

/* Bytes of the rows that are in memory; 0 where they are none, too many, or more than there are. */
static inline uint32_t operand_bytes(const es_operand_record_t *o, uint32_t element_bytes) {
    const uint64_t row = (uint64_t)(o->w * element_bytes) * o->c;
    const uint64_t bytes = (uint64_t)(uint32_t)row * o->depth;

    return (row | bytes) >> 32 == 0 && o->depth <= o->h ? (uint32_t)bytes : 0;
}

static __attribute__((noinline)) es_status_t check_operand(const limits_t *limits,
                                                           const es_operand_record_t *o) {
    const uint32_t element_bytes = es_dtype_bytes(o->dtype);
    const uint32_t bytes = operand_bytes(o, element_bytes);

    if (bytes == 0 || o->space > ES_SPACE_TABLE) {
        return ES_BAD_RECORD;
    }
    return (o->offset & (element_bytes - 1)) == 0 &&
                   (o->space == ES_SPACE_ARENA
                        ? in_arena(limits, o->offset, bytes)
                        : es_lies_in(o->offset, 1, bytes, limits->table_bytes, 1))
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

/* Bytes in the arena, as most operands are, have a short way. */
static inline int is_plain_operand(const limits_t *limits, const es_operand_record_t *o) {
    const uint32_t bytes = operand_bytes(o, 1);

    return (o->dtype | (uint32_t)o->space << 8) <= ES_UINT8 && bytes != 0 &&
           in_arena(limits, o->offset, bytes);
}

static __attribute__((noinline)) es_status_t check_operands(const limits_t *limits,
                                                            const es_model_t *model) {
    const es_operand_record_t *o = es_operand_at(model, 0);

    for (uint32_t count = es_header_of(model)->operand_count; count != 0; count--, o++) {
        if (!is_plain_operand(limits, o)) {
            const es_status_t status = check_operand(limits, o);
            if (status != ES_OK) {
                return status;
            }
        }
    }
    return ES_OK;
}

/* A step with flags: one that accumulates, with one row and room for its sums. */
static __attribute__((noinline)) es_status_t check_sum(const es_kernel_t *kernel,
                                                       const es_step_record_t *step,
                                                       const es_operand_record_t *operands,
                                                       const es_header_t *table) {
    const es_operand_record_t *out = operands + step->input_count;

    return step->flags == ES_STEP_ACCUMULATES && kernel->check_sum != NULL &&
                   step->input_count != 0 && out->h == 1 &&
                   es_row_elements(out) <= step->scratch_bytes / sizeof(int32_t)
               ? kernel->check_sum(step, operands, table)
               : ES_BAD_RECORD;
}

/* Most of an init: what is done here for a step is counted by instructions. Kernels are looked for
 * from the last one on, because those made for a core, which most steps use, have the highest ids.
 */
static __attribute__((noinline)) es_status_t check_steps(const limits_t *limits,
                                                         const es_model_t *model) {
    const es_header_t *table = es_header_of(model);
    const es_operand_record_t *operands = es_operand_at(model, 0);
    const es_step_record_t *step = es_table_blob(table, table->steps);
    /* No kernel's parameters are longer than the header. */
    const uint32_t last_params = limits->table_bytes - (uint32_t)sizeof *table;

    if (model->kernel_count == 0) {
        return table->step_count == 0 ? ES_OK : ES_UNKNOWN_KERNEL;
    }
    const es_kernel_t *const *first = model->kernels;
    const es_kernel_t *const *last = first + model->kernel_count - 1;

    for (uint32_t count = table->step_count; count != 0; count--, step++) {
        const es_kernel_t *const *at = last;
        const es_kernel_t *kernel = *at;

        while (kernel->id != step->kernel) {
            if (at == first) {
                return ES_UNKNOWN_KERNEL;
            }
            kernel = *--at;
        }
        const uint32_t output = (uint32_t)step->operands + step->input_count;
        if (output >= table->operand_count || ((step->params | step->scratch) & 3u) != 0 ||
            step->params > last_params || !in_arena(limits, step->scratch, step->scratch_bytes)) {
            return ES_OUT_OF_BOUNDS;
        }
        if (operands[output].space != ES_SPACE_ARENA || step->counter > table->counter_count) {
            return ES_BAD_RECORD;
        }
        const es_operand_record_t *own = operands + step->operands;
        const es_status_t status = step->flags == 0 ? kernel->check(step, own, table)
                                                    : check_sum(kernel, step, own, table);
        if (status != ES_OK) {
            return status;
        }
    }
    return ES_OK;
}

/* Whether an operand is a ring that the rows of an input can be fed to. */
static int is_ring(const es_model_t *model, const es_port_record_t *port) {
    const es_operand_record_t *rows = es_operand_at(model, port->rows);

    return port->rows < es_header_of(model)->operand_count && rows->space == ES_SPACE_ARENA &&
           rows->dtype == port->dtype &&
           (uint64_t)es_row_elements(rows) * rows->h == port->elements;
}

static es_status_t check_ports(const limits_t *limits, const es_model_t *model, uint32_t offset,
                               uint32_t count, int are_inputs) {
    const es_port_record_t *port = (const es_port_record_t *)(model->table + offset);

    if (!in_table(limits, offset, count * (uint32_t)sizeof *port)) {
        return ES_OUT_OF_BOUNDS;
    }
    for (const es_port_record_t *end = port + count; port != end; port++) {
        const uint32_t element_bytes = es_dtype_bytes(port->dtype);

        if (element_bytes == 0 || (uint64_t)port->elements * element_bytes != port->bytes) {
            return ES_BAD_RECORD;
        }
        if (!in_table(limits, port->dims, port->rank * (uint32_t)sizeof(uint32_t)) ||
            port->name >= limits->table_bytes) {
            return ES_OUT_OF_BOUNDS;
        }
        if (port->rows != ES_NO_ROWS) {
            if (!are_inputs || !is_ring(model, port)) {
                return ES_BAD_RECORD;
            }
        } else if ((port->offset & (element_bytes - 1)) != 0 ||
                   !in_arena(limits, port->offset, port->bytes)) {
            return ES_OUT_OF_BOUNDS;
        }
    }
    return ES_OK;
}

static es_status_t check_states(const limits_t *limits, const es_header_t *header) {
    const es_state_record_t *state =
        (const es_state_record_t *)((const uint8_t *)header + header->states);

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
    if (header->format_version != ES_FORMAT_VERSION ||
        header->kernel_set_version != ES_KERNEL_SET_VERSION) {
        return ES_BAD_VERSION;
    }
    return header->total_bytes < sizeof *header || header->total_bytes > table_bytes ||
                   header->total_bytes >= ES_TABLE_LIMIT
               ? ES_TRUNCATED
               : ES_OK;
}

__attribute__((noinline)) uint32_t es_table_bank_bytes(const void *table, size_t table_bytes,
                                                       uint32_t bank) {
    const es_header_t *header = (const es_header_t *)table;

    if (table == NULL || ((uintptr_t)table & (ES_ALIGNMENT - 1)) != 0 ||
        check_header(header, table_bytes) != ES_OK || bank >= ES_MOST_BANKS) {
        return 0;
    }
    return header->bank_bytes[bank];
}

uint32_t es_table_arena_bytes(const void *table, size_t table_bytes) {
    return es_table_bank_bytes(table, table_bytes, 0);
}

/* All arrays of records before any of them, and operands before those who name them. */
static es_status_t check_table(const limits_t *limits, const es_model_t *model) {
    const es_header_t *header = es_header_of(model);
    es_status_t status = ES_OK;

    if (!in_table(limits, header->operands,
                  header->operand_count * (uint32_t)sizeof(es_operand_record_t)) ||
        !in_table(limits, header->steps, header->step_count * (uint32_t)sizeof(es_step_record_t)) ||
        !in_table(limits, header->states,
                  header->state_count * (uint32_t)sizeof(es_state_record_t)) ||
        !es_lies_in(header->schedule, header->turn_count, sizeof(es_turn_record_t),
                    limits->table_bytes, 4) ||
        (header->counters & 1u) != 0 ||
        !in_arena(limits, header->counters, header->counter_count * (uint32_t)sizeof(uint16_t)) ||
        /* A table that ends with a zero byte ends all its texts. */
        header->name >= limits->table_bytes || model->table[limits->table_bytes - 1] != 0) {
        return ES_OUT_OF_BOUNDS;
    }
    if ((status = check_operands(limits, model)) != ES_OK ||
        (status = check_ports(limits, model, header->inputs, header->input_count, 1)) != ES_OK ||
        (status = check_ports(limits, model, header->outputs, header->output_count, 0)) != ES_OK ||
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
        const uint32_t need = header->bank_bytes[bank], first = bank << ES_BANK_SHIFT;

        if (bank < count) {
            base = (uintptr_t)banks[bank].base;
            if (base == 0 || (base & (ES_ALIGNMENT - 1)) != 0) {
                return ES_BAD_ARGUMENT;
            }
        }
        if (need > (bank < count ? banks[bank].bytes : 0) || need > ES_MOST_BANK_BYTES) {
            return ES_ARENA_TOO_SMALL;
        }
        limits->bank_ends[bank] = first + need;
        model->banks[bank] = base - first;
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
