/* Runs model tables in one process, for tests: every kernel is linked in, so no table needs a
 * compiler.
 *
 * stdin:  u32 table bytes, u32 runs, then the table, then for each run the bytes of all inputs.
 * stdout: u32 status; when it is ES_OK, for each run and each step: u32 bytes, the output's bytes
 * as they were written. Ends at end of input. The arena is malloc'ed at its exact size, so that
 *         AddressSanitizer guards both of its ends; painted so that nothing reads a lucky zero. */
#include "es_adapter.h"
#include "es_all_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    const es_header_t *header = (const es_header_t *)model->table;
    const es_step_record_t *steps = (const es_step_record_t *)(model->table + header->steps);

    for (uint32_t i = 0; i < header->step_count; i++) {
        const es_call_t call = {.model = model, .step = &steps[i]};
        const es_rows_t out = es_call_output(&call);
        const uint32_t bytes = rows[i] ? out.h * out.w * out.c * out.element_bytes : 0;
        put_u32(bytes);
        put(rows[i] ? rows[i] : (uint8_t *)"", bytes);
        free(rows[i]);
        rows[i] = NULL;
    }
}

int main(void) {
    uint32_t sizes[2];

    while (fread(sizes, sizeof sizes, 1, stdin) == 1) {
        uint8_t *table = aligned_alloc(
            ES_ALIGNMENT, sizes[0] + (ES_ALIGNMENT - sizes[0] % ES_ALIGNMENT) % ES_ALIGNMENT);
        es_model_t model;

        get(table, sizes[0]);
        const uint32_t arena_bytes = es_table_arena_bytes(table, sizes[0]);
        uint8_t *arena = NULL;
        if (arena_bytes < (1u << 28) &&
            posix_memalign((void **)&arena, ES_ALIGNMENT, arena_bytes ? arena_bytes : 1) != 0) {
            return 3;
        }
        if (arena != NULL) {
            memset(arena, 0xA5, arena_bytes);
        }
        const es_status_t status = es_init(&model, table, sizes[0], es_all_kernels,
                                           es_all_kernel_count, arena, arena_bytes);
        put_u32((uint32_t)status);
        fflush(stdout);
        if (status == ES_OK) {
            uint8_t **rows = calloc(es_step_count(&model) + 1u, sizeof *rows);
            capture_t capture = {&model, rows};
            const es_observer_t observer = {&capture, NULL, keep};
            model.observer = &observer;
            for (uint32_t run = 0; run < sizes[1]; run++) {
                for (uint32_t i = 0; i < es_input_count(&model); i++) {
                    get(es_input(&model, i), es_input_bytes(&model, i));
                }
                es_run(&model);
                send(&model, rows);
                fflush(stdout);
            }
            free(rows);
        }
        free(arena);
        free(table);
    }
    return 0;
}
