/* Runs model tables in one process, for tests: every kernel is linked in, so no table needs a
 * compiler.
 *
 * stdin:  u32 table bytes, u32 runs, four u32 0, then the table, then for each run the bytes of all
 *         inputs.
 * stdout: u32 status; when it is ES_OK, for each run and each step: u32 bytes, the output's bytes
 *         as they were written.
 *
 * A trial of a table that may be damaged has the bytes of each bank of the device in place of the
 * 0s and is sent no inputs: the runner makes them up. It answers u32 status, u32 sum of all it
 * could read.
 *
 * Ends at end of input. The table and each bank of the arena are malloc'ed at their exact sizes, so
 * that AddressSanitizer guards their ends; banks are painted so that nothing reads a lucky zero. */
#include "es_adapter.h"
#include "es_all_kernels.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BANK_BYTES = 1 << 28, TRIAL_SECONDS = 10 };

static void get(void *data, size_t bytes) {
    if (fread(data, 1, bytes, stdin) != bytes) {
        exit(3);
    }
}

static void put(const void *data, size_t bytes) {
    if (fwrite(data, 1, bytes, stdout) != bytes) {
        exit(3);
    }
}

static void put_u32(uint32_t value) {
    put(&value, sizeof value);
}

typedef struct capture {
    const es_model_t *model;
    uint8_t **rows; /* one buffer a step */
} capture_t;

static void keep(void *context, uint32_t step, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    capture_t *capture = context;
    const size_t row_bytes = (size_t)out->w * out->c * out->element_bytes;

    if (capture->rows[step] == NULL) {
        capture->rows[step] = malloc(row_bytes * out->h);
    }
    for (uint32_t y = y0; y < y1; y++) {
        memcpy(capture->rows[step] + y * row_bytes, es_row(out, y), row_bytes);
    }
}

static void send(const es_model_t *model, uint8_t **rows) {
    for (uint32_t i = 0; i < es_step_count(model); i++) {
        const es_call_t call = es_call_of(model, &model->steps[i]);
        const es_rows_t out = es_call_output(&call);
        const uint32_t bytes = rows[i] ? out.h * out.w * out.c * out.element_bytes : 0;
        put_u32(bytes);
        put(rows[i] ? rows[i] : (uint8_t *)"", bytes);
        free(rows[i]);
        rows[i] = NULL;
    }
}

/* The inputs of a run that are fed by rows, as wholes. */
typedef struct pantry {
    uint8_t **inputs; /* null for one that is not fed */
    uint32_t *served; /* rows of each */
} pantry_t;

static void serve(void *context, uint32_t input, uint32_t y0, uint32_t y1, const es_rows_t *in) {
    pantry_t *pantry = context;
    const size_t row_bytes = (size_t)in->w * in->c * in->element_bytes;

    if (pantry->served[input] != y0) {
        exit(6);
    }
    pantry->served[input] = y1;
    for (uint32_t y = y0; y < y1; y++) {
        memcpy(es_row(in, y), pantry->inputs[input] + y * row_bytes, row_bytes);
    }
}

/* Inputs from stdin, every step's output to stdout. */
static void run_given(es_model_t *model, uint32_t runs) {
    const uint32_t input_count = es_input_count(model);
    uint8_t **rows = calloc(es_step_count(model) + 1u, sizeof *rows);
    capture_t capture = {model, rows};
    const es_observer_t observer = {&capture, NULL, keep};
    pantry_t pantry = {calloc(input_count + 1u, sizeof *pantry.inputs),
                       calloc(input_count + 1u, sizeof *pantry.served)};
    const es_source_t source = {&pantry, serve};

    model->observer = &observer;
    es_set_source(model, &source);
    for (uint32_t i = 0; i < input_count; i++) {
        pantry.inputs[i] = es_input(model, i) == NULL ? malloc(es_input_bytes(model, i)) : NULL;
    }
    for (uint32_t run = 0; run < runs; run++) {
        for (uint32_t i = 0; i < input_count; i++) {
            uint8_t *to = es_input(model, i) == NULL ? pantry.inputs[i] : es_input(model, i);
            get(to, es_input_bytes(model, i));
            pantry.served[i] = 0;
        }
        es_run(model);
        send(model, rows);
        fflush(stdout);
    }
    for (uint32_t i = 0; i < input_count; i++) {
        free(pantry.inputs[i]);
    }
    free(pantry.inputs);
    free(pantry.served);
    free(rows);
}

static uint32_t sum_of(const void *data, uint32_t bytes) {
    const uint8_t *byte = data;
    uint32_t sum = 0;

    for (uint32_t i = 0; i < bytes; i++) {
        sum = sum * 31 + byte[i];
    }
    return sum;
}

static uint32_t sum_of_port(const es_port_info_t *info) {
    return sum_of(info->name, (uint32_t)strlen(info->name)) +
           sum_of(info->dims, info->rank * (uint32_t)sizeof *info->dims);
}

static void sum_rows(void *context, uint32_t step, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    uint32_t *sum = context;

    for (uint32_t y = y0; y < y1; y++) {
        *sum += step + sum_of(es_row(out, y), out->w * out->c * out->element_bytes);
    }
}

static void fill(uint8_t *data, uint32_t bytes, uint32_t *x) {
    for (uint32_t i = 0; i < bytes; i++) {
        *x ^= *x << 13;
        *x ^= *x >> 17;
        *x ^= *x << 5;
        data[i] = (uint8_t)*x;
    }
}

typedef struct noise {
    uint32_t x, input_count;
} noise_t;

/* Writes every byte that it is told of. */
static void make_up(void *context, uint32_t input, uint32_t y0, uint32_t y1, const es_rows_t *in) {
    noise_t *noise = context;

    if (input >= noise->input_count) {
        abort();
    }
    for (uint32_t y = y0; y < y1; y++) {
        fill(es_row(in, y), in->w * in->c * in->element_bytes, &noise->x);
    }
}

/* Does all that firmware does with a model, and reads every byte that it is told of. */
static uint32_t try_out(es_model_t *model, uint32_t runs) {
    uint32_t sum = sum_of(es_name(model), (uint32_t)strlen(es_name(model)));
    noise_t noise = {1, es_input_count(model)};
    const es_observer_t observer = {&sum, NULL, sum_rows};
    const es_source_t source = {&noise, make_up};

    model->observer = &observer;
    es_set_source(model, runs % 2 != 0 ? NULL : &source);
    for (uint32_t run = 0; run < runs; run++) {
        for (uint32_t i = 0; i < es_input_count(model); i++) {
            const es_port_info_t info = es_input_info(model, i);
            if (es_input(model, i) != NULL) {
                fill(es_input(model, i), info.bytes, &noise.x);
            }
            sum += sum_of_port(&info);
        }
        es_run(model);
        for (uint32_t i = 0; i < es_output_count(model); i++) {
            const es_port_info_t info = es_output_info(model, i);
            sum += sum_of(es_output(model, i), info.bytes) + sum_of_port(&info);
        }
    }
    es_reset(model);
    return sum;
}

static void too_long(int signal_number) {
    static const char words[] = "a table runs for too long\n";
    (void)signal_number;
    _exit(write(2, words, sizeof words - 1) > 0 ? 4 : 5);
}

static uint8_t *aligned(uint32_t bytes) {
    void *memory = NULL;
    if (posix_memalign(&memory, ES_ALIGNMENT, bytes ? bytes : 1) != 0) {
        exit(3);
    }
    return memory;
}

/* Memory for all that a table asks for, each bank as far as the device has it. */
static size_t take_banks(es_bank_t *banks, const uint8_t *table, uint32_t table_bytes,
                         const uint32_t *most) {
    size_t count = 1;

    for (uint32_t i = 0; i < ES_MOST_BANKS; i++) {
        const uint32_t asked = es_table_bank_bytes(table, table_bytes, i);
        const uint32_t bytes = asked < most[i] ? asked : most[i];
        banks[i] = (es_bank_t){aligned(bytes), bytes};
        memset(banks[i].base, 0xA5, bytes);
        count = bytes > 0 ? i + 1 : count;
    }
    return count;
}

static es_status_t start(es_model_t *model, const uint8_t *table, uint32_t table_bytes,
                         const es_bank_t *banks, size_t count) {
    return count == 1 ? es_init(model, table, table_bytes, es_all_kernels, es_all_kernel_count,
                                banks->base, banks->bytes)
                      : es_init_banks(model, table, table_bytes, es_all_kernels,
                                      es_all_kernel_count, banks, count);
}

int main(void) {
    struct {
        uint32_t table_bytes, runs, trial_bank_bytes[ES_MOST_BANKS];
    } job;
    static const uint32_t plenty[ES_MOST_BANKS] = {MOST_BANK_BYTES, MOST_BANK_BYTES,
                                                   MOST_BANK_BYTES, MOST_BANK_BYTES};

    signal(SIGALRM, too_long);
    while (fread(&job, sizeof job, 1, stdin) == 1) {
        const int is_trial = job.trial_bank_bytes[0] != 0;
        uint8_t *table = aligned(job.table_bytes);
        es_bank_t banks[ES_MOST_BANKS];
        es_model_t model;

        get(table, job.table_bytes);
        const size_t count =
            take_banks(banks, table, job.table_bytes, is_trial ? job.trial_bank_bytes : plenty);
        alarm(is_trial ? TRIAL_SECONDS : 0);
        const es_status_t status = start(&model, table, job.table_bytes, banks, count);
        put_u32((uint32_t)status);
        if (is_trial) {
            put_u32(status == ES_OK ? try_out(&model, job.runs) : 0);
        }
        fflush(stdout);
        if (status == ES_OK && !is_trial) {
            run_given(&model, job.runs);
        }
        for (uint32_t i = 0; i < ES_MOST_BANKS; i++) {
            free(banks[i].base);
        }
        free(table);
    }
    return 0;
}
