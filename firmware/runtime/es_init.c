/* The only place that trusts nothing: every field of a model table, before anything runs. */
#include "es_adapter.h"

_Static_assert(sizeof(es_header_t) == 156, "docs/FORMAT.md: header");
_Static_assert(sizeof(es_operand_record_t) == 16, "docs/FORMAT.md: operand");
_Static_assert(sizeof(es_step_record_t) == 24, "docs/FORMAT.md: step");
_Static_assert(sizeof(es_port_record_t) == 16, "docs/FORMAT.md: port");

/* What every offset and address is held against. */
typedef struct limits {
    uint32_t bank_ends[ES_MOST_BANKS]; /* arena addresses */
    uint32_t table_bytes;              /* below ES_TABLE_LIMIT */
    uint32_t last_params; /* offset: no kernel's parameters are longer than the header */
    const es_kernel_t *const *past_kernels;
} limits_t;

/* Whether bytes lie in one bank of the arena: nothing that lies in two has an address. */
static inline int in_arena(const limits_t *limits, uint32_t address, uint32_t bytes) {
    const uint32_t end = address + bytes;
    return end >= address && end <= limits->bank_ends[address >> ES_BANK_SHIFT];
}

/* Bytes of the rows that are in memory; 0 where they are none, too many, or more than there are. */
static inline uint32_t operand_bytes(const es_operand_record_t *o, uint32_t element_bytes) {
    const uint64_t elements = (uint64_t)((uint32_t)o->w * o->depth) * o->c;
    const uint64_t bytes = (uint64_t)(uint32_t)elements * element_bytes;

    return (elements | bytes) >> 32 == 0 && o->depth <= o->h ? (uint32_t)bytes : 0;
}

static es_status_t check_operand(const limits_t *limits, const es_operand_record_t *o) {
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
    const uint64_t bytes = (uint64_t)((uint32_t)o->w * o->depth) * o->c;

    return ((uint32_t)(bytes >> 32) | es_dtype_and_space(o) >> 1) == 0 && o->depth <= o->h &&
           (uint32_t)bytes != 0 && in_arena(limits, o->offset, (uint32_t)bytes);
}

static __attribute__((noinline)) es_status_t check_operands(const limits_t *limits,
                                                            const es_operand_record_t *o,
                                                            uint32_t count) {
    for (; count != 0; count--, o++) {
        if (!is_plain_operand(limits, o)) {
            const es_status_t status = check_operand(limits, o);
            if (status != ES_OK) {
                return status;
            }
        }
    }
    return ES_OK;
}

/* Most of an init: what is done here for a step is counted by instructions. */
static __attribute__((noinline)) es_status_t check_steps(const limits_t *limits,
                                                         const es_model_t *model) {
    const es_header_t *table = es_header_of(model);
    const es_operand_record_t *operands = model->operands;
    const es_kernel_t *const *kernels = model->kernels;
    const es_step_record_t *step = model->steps;
    /* Calls of unknown functions forget what is not in a variable. */
    const uint32_t operand_count = table->operand_count, last_params = limits->last_params;

    if (model->kernel_count == 0) {
        return table->step_count == 0 ? ES_OK : ES_UNKNOWN_KERNEL;
    }
    for (uint32_t count = table->step_count; count != 0; count--, step++) {
        const es_kernel_t *const *at = kernels;
        const es_kernel_t *kernel = *at;

        while (kernel->id != step->kernel) {
            if (++at == limits->past_kernels) {
                return ES_UNKNOWN_KERNEL;
            }
            kernel = *at;
        }
        const uint32_t output = (uint32_t)step->operands + step->input_count;
        if (output >= operand_count || ((step->params | step->scratch) & 3u) != 0 ||
            step->params > last_params || !in_arena(limits, step->scratch, step->scratch_bytes)) {
            return ES_OUT_OF_BOUNDS;
        }
        if (step->counter > table->counter_count) {
            return ES_BAD_RECORD;
        }
        es_check_t *check = kernel->check;
        if (step->flags != 0) {
            check = kernel->check_sum;
            if (step->flags != ES_STEP_ACCUMULATES || check == NULL) {
                return ES_BAD_RECORD;
            }
        }
        const es_status_t status = check(step, operands + step->operands, table);
        if (status != ES_OK) {
            return status;
        }
    }
    return ES_OK;
}

/* An input that is fed by rows may be a ring, as long as its bytes are a number all the same. Any
 * other port is there as a whole. */
static inline int is_port(const es_operand_record_t *o, uint32_t is_fed) {
    const uint64_t row_bytes = es_row_elements(o) * es_known_dtype_bytes(o->dtype);

    return o->space == ES_SPACE_ARENA &&
           (__builtin_expect(is_fed != 0, 0) ? (row_bytes * o->h) >> 32 == 0 : es_is_dense(o));
}

static es_status_t check_ports(const limits_t *limits, const es_model_t *model) {
    const es_header_t *header = es_header_of(model);
    const es_port_record_t *port = model->ports, *outputs = port + header->input_count;

    for (uint32_t count = (uint32_t)header->input_count + header->output_count; count != 0;
         count--, port++) {
        if (port->operand >= header->operand_count || (port->shape & (ES_TABLE_LIMIT | 3u)) != 0 ||
            port->shape + port->rank * (uint32_t)sizeof(uint32_t) >= limits->table_bytes) {
            return ES_OUT_OF_BOUNDS;
        }
        if (!is_port(model->operands + port->operand, port->is_fed) ||
            (port->is_fed && port >= outputs)) {
            return ES_BAD_RECORD;
        }
    }
    return ES_OK;
}

static es_status_t check_states(const limits_t *limits, const es_model_t *model) {
    const es_state_record_t *state = es_states_of(model);

    for (uint32_t count = es_header_of(model)->state_count; count != 0; count--, state++) {
        if (!in_arena(limits, state->offset, state->bytes)) {
            return ES_OUT_OF_BOUNDS;
        }
    }
    return ES_OK;
}

static inline es_status_t check_header(const es_header_t *header, size_t table_bytes) {
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
    /* The model's name stands behind the header. */
    return header->total_bytes <= sizeof *header || header->total_bytes > table_bytes ||
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

/* Finds the records, all of which lie in the table. */
static es_status_t find_records(es_model_t *model, uint32_t table_bytes) {
    const es_header_t *header = es_header_of(model);
    const uint32_t ports = (uint32_t)header->input_count + header->output_count;
    /* Of an offset in a table, and of turns that fill no more than half of one, the sum stays in
     * 32 bits. */
    const uint32_t end = header->records +
                         header->operand_count * (uint32_t)sizeof(es_operand_record_t) +
                         header->step_count * (uint32_t)sizeof(es_step_record_t) +
                         header->turn_count * (uint32_t)sizeof(es_turn_record_t) +
                         ports * (uint32_t)sizeof(es_port_record_t) +
                         header->state_count * (uint32_t)sizeof(es_state_record_t);

    if (((header->records & (ES_TABLE_LIMIT | 3u)) | header->turn_count >> 28) != 0 ||
        end > table_bytes) {
        return ES_OUT_OF_BOUNDS;
    }
    model->operands = es_table_blob(header, header->records);
    model->steps = (const es_step_record_t *)(model->operands + header->operand_count);
    model->ports = (const es_port_record_t *)(es_turns_of(model) + header->turn_count);
    return ES_OK;
}

/* Operands before those who name them. */
static es_status_t check_records(const limits_t *limits, es_model_t *model) {
    const es_header_t *header = es_header_of(model);
    es_status_t status = ES_OK;

    if ((header->counters & 1u) != 0 ||
        !in_arena(limits, header->counters, header->counter_count * (uint32_t)sizeof(uint16_t)) ||
        /* A table that ends with a zero byte ends all its texts. */
        model->table[limits->table_bytes - 1] != 0) {
        return ES_OUT_OF_BOUNDS;
    }
    if ((status = check_operands(limits, model->operands, header->operand_count)) != ES_OK ||
        (status = check_ports(limits, model)) != ES_OK ||
        (status = check_steps(limits, model)) != ES_OK || header->state_count == 0 ||
        (status = check_states(limits, model)) != ES_OK) {
        return status;
    }
    es_reset(model);
    return ES_OK;
}

/* Whether a bank has what the table asks for. */
static inline es_status_t take_bank(es_model_t *model, limits_t *limits, const es_bank_t *given,
                                    uint32_t need, uint32_t bank) {
    const uintptr_t base = (uintptr_t)given->base;
    const uint32_t first = bank << ES_BANK_SHIFT;

    if (base == 0 || (base & (ES_ALIGNMENT - 1)) != 0) {
        return ES_BAD_ARGUMENT;
    }
    if (need > given->bytes || need > ES_MOST_BANK_BYTES) {
        return ES_ARENA_TOO_SMALL;
    }
    limits->bank_ends[bank] = first + need;
    model->banks[bank] = base - first;
    return ES_OK;
}

/* A bank that the table does not ask for ends before all of its addresses: at 0. */
static es_status_t take_banks(es_model_t *model, limits_t *limits, const es_header_t *header,
                              const es_bank_t *banks, size_t count) {
    const uint32_t asked = header->bank_count;

    if (asked - 1 >= ES_MOST_BANKS) {
        return ES_BAD_RECORD;
    }
    if (asked > count) {
        return ES_ARENA_TOO_SMALL;
    }
    es_status_t status = take_bank(model, limits, banks, header->bank_bytes[0], 0);
    for (uint32_t bank = 1; bank < asked && status == ES_OK; bank++) {
        status = take_bank(model, limits, banks + bank, header->bank_bytes[bank], bank);
    }
    return status;
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

    if (model == NULL || table == NULL || banks == NULL ||
        ((uintptr_t)table & (ES_ALIGNMENT - 1)) != 0) {
        return ES_BAD_ARGUMENT;
    }
    limits_t limits = {0};
    es_status_t status = check_header(header, table_bytes);
    if (status != ES_OK ||
        (status = take_banks(model, &limits, header, banks, bank_count)) != ES_OK) {
        return status;
    }
    limits.table_bytes = header->total_bytes;
    limits.last_params = limits.table_bytes - (uint32_t)sizeof *header;
    limits.past_kernels = kernels + kernel_count;
    model->table = table;
    model->kernels = kernels;
    model->kernel_count = (uint32_t)kernel_count;
    model->observer = NULL;
    model->source = NULL;
    status = find_records(model, limits.table_bytes);
    return status == ES_OK ? check_records(&limits, model) : status;
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
