/* The only place that trusts nothing: every field of a model table, before anything runs. */
#include "es_adapter.h"

#include <string.h>

_Static_assert(sizeof(es_header_t) == 160, "docs/FORMAT.md: header");
_Static_assert(sizeof(es_bank_record_t) == 16, "docs/FORMAT.md: banks");
_Static_assert(sizeof(es_operand_record_t) == 20, "docs/FORMAT.md: operand");
_Static_assert(sizeof(es_step_record_t) == 24, "docs/FORMAT.md: step");
_Static_assert(sizeof(es_port_record_t) == 36, "docs/FORMAT.md: port");

static int in_table(const es_header_t *header, uint32_t offset, uint64_t bytes,
                    uint32_t alignment) {
    return es_lies_in(offset, bytes, header->total_bytes, alignment);
}

/* In one bank of it: nothing that lies in two has an address. */
static __attribute__((noinline)) int in_arena(const es_header_t *header, uint32_t address,
                                              uint64_t bytes, uint32_t alignment) {
    return es_lies_in(address & (ES_MOST_BANK_BYTES - 1u), bytes,
                      es_bank_need(header, address >> ES_BANK_SHIFT), alignment);
}

static int is_text(const es_header_t *header, uint32_t offset) {
    const char *table = (const char *)header;
    return offset < header->total_bytes &&
           memchr(table + offset, 0, header->total_bytes - offset) != NULL;
}

/* Operands [o, end), of which the last is written. The one at `made` has been checked before. */
static __attribute__((noinline)) es_status_t check_operands(const es_header_t *header,
                                                            const es_operand_record_t *o,
                                                            const es_operand_record_t *end,
                                                            const es_operand_record_t *made) {
    for (; o != end; o++) {
        uint32_t pixel_bytes = o->w;

        if (o == made) {
            continue;
        }
        /* A depth of 1 to h, in one comparison: h is not 0 either. */
        if (o->depth - 1u >= o->h || o->w == 0 || o->c == 0) {
            return ES_BAD_RECORD;
        }
        if (o->dtype > ES_UINT8) {
            const uint32_t element_bytes = es_dtype_bytes(o->dtype);
            if (element_bytes == 0 || ((o->offset | o->row_bytes) & (element_bytes - 1)) != 0) {
                return ES_BAD_RECORD;
            }
            pixel_bytes *= element_bytes;
        }
        const uint64_t bytes = (uint64_t)o->depth * o->row_bytes;
        if ((uint64_t)pixel_bytes * o->c > o->row_bytes || o->space > ES_SPACE_TABLE) {
            return ES_BAD_RECORD;
        }
        if (!(o->space == ES_SPACE_ARENA ? in_arena(header, o->offset, bytes, 1)
                                         : in_table(header, o->offset, bytes, 1))) {
            return ES_OUT_OF_BOUNDS;
        }
    }
    return end[-1].space == ES_SPACE_ARENA ? ES_OK : ES_BAD_RECORD;
}

static const es_kernel_t *kernel_of(const es_model_t *model, uint32_t id) {
    const es_kernel_t *const *kernel = model->kernels;

    for (const es_kernel_t *const *end = kernel + model->kernel_count; kernel != end; kernel++) {
        if ((*kernel)->id == id) {
            return *kernel;
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
           (uint64_t)out->w * out->c <= step->scratch_bytes / sizeof(int32_t);
}

/* Checks the call's step; `made` is the output of the step before. */
static inline es_status_t check_step(es_call_t *call, const es_operand_record_t *made) {
    const es_model_t *model = call->model;
    const es_step_record_t *step = call->step;
    const es_header_t *header = (const es_header_t *)model->table;
    const es_kernel_t *kernel = kernel_of(model, step->kernel);
    const uint32_t operands = step->input_count + 1u;

    if (kernel == NULL) {
        return ES_UNKNOWN_KERNEL;
    }
    if (((step->operands | step->params) & 3u) != 0 ||
        !in_table(header, step->operands, operands * sizeof(es_operand_record_t), 1) ||
        !in_table(header, step->params, kernel->params_bytes, 1) ||
        (step->scratch_bytes != 0 &&
         !in_arena(header, step->scratch, step->scratch_bytes, ES_ALIGNMENT))) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_operand_record_t *first = es_call_operand(call, 0);
    const es_status_t status = check_operands(header, first, first + operands, made);
    if (status != ES_OK) {
        return status;
    }
    const es_operand_record_t *paced = es_call_paced(call);
    call->y1 = paced->h;
    /* What is computed in one turn is in memory as a whole. */
    if (step->counter >= header->counter_count &&
        (step->counter != ES_NO_COUNTER || paced->depth != paced->h)) {
        return ES_BAD_RECORD;
    }
    if (step->flags == 0) {
        return kernel->check(call);
    }
    return is_summed(call, kernel) ? kernel->check_sum(call) : ES_BAD_RECORD;
}

static es_status_t check_steps(const es_model_t *model) {
    const es_header_t *header = (const es_header_t *)model->table;
    const es_step_record_t *step = (const es_step_record_t *)(model->table + header->steps);
    const es_operand_record_t *made = NULL;
    es_call_t call = {.model = model};

    if (!in_table(header, header->steps, header->step_count * sizeof(es_step_record_t), 4)) {
        return ES_OUT_OF_BOUNDS;
    }
    for (const es_step_record_t *end = step + header->step_count; step != end; step++) {
        call.step = step;
        const es_status_t status = check_step(&call, made);
        if (status != ES_OK) {
            return status;
        }
        made = es_call_operand(&call, step->input_count);
    }
    return ES_OK;
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
    const es_status_t status = check_operands(header, rows, rows + 1, NULL);
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

static int is_fed(const es_header_t *header, uint32_t input, uint32_t rows) {
    const uint8_t *table = (const uint8_t *)header;
    const es_port_record_t *inputs = (const es_port_record_t *)(table + header->inputs);

    return input < header->input_count && input < ES_MOST_FED && inputs[input].rows != 0 &&
           rows <= ((const es_operand_record_t *)(table + inputs[input].rows))->depth;
}

/* No turn writes more rows than its output has memory for, or takes up more than its input has:
 * what it wrote must be there to be read, and no damaged height makes a turn last longer than its
 * memory can justify. The ports and steps have been checked. */
static es_status_t check_schedule(const es_model_t *model) {
    const es_header_t *header = (const es_header_t *)model->table;
    const es_step_record_t *steps = (const es_step_record_t *)(model->table + header->steps);

    if (!in_table(header, header->schedule, header->turn_count * (uint64_t)sizeof(es_turn_record_t),
                  4) ||
        !in_arena(header, header->counters, header->counter_count * sizeof(uint16_t), 2)) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_turn_record_t *turn = (const es_turn_record_t *)(model->table + header->schedule);
    for (const es_turn_record_t *end = turn + header->turn_count; turn != end; turn++) {
        if (turn->step & ES_FEED_BIT) {
            if (!is_fed(header, turn->step & (ES_FEED_BIT - 1u), turn->rows)) {
                return ES_BAD_RECORD;
            }
        } else if (turn->step >= header->step_count) {
            return ES_BAD_RECORD;
        } else {
            const es_call_t call = {.model = model, .step = &steps[turn->step]};
            /* A step without a counter computes all its rows, whatever the turn says. */
            if (call.step->counter != ES_NO_COUNTER && turn->rows > es_call_paced(&call)->depth) {
                return ES_BAD_RECORD;
            }
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

    if (!is_text(header, header->name)) {
        return ES_OUT_OF_BOUNDS;
    }
    if ((status = check_ports(header, header->inputs, header->input_count, 1)) != ES_OK ||
        (status = check_ports(header, header->outputs, header->output_count, 0)) != ES_OK ||
        (status = check_states(header)) != ES_OK || (status = check_steps(model)) != ES_OK) {
        return status;
    }
    return check_schedule(model);
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
