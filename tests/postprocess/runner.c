/* Turns a model's outputs into classes or boxes, by the tables of one declaration.
 *
 * `cases` holds the outputs of one inference after the other: scores, or boxes and then scores.
 * `answers` gets, for each, how many were found and then that many records. */
#include "postprocess.h"

#ifdef RUNNER_ON_HOST
#include <stdio.h>

typedef FILE *runner_file_t;
enum { READ_BINARY, WRITE_BINARY };

static runner_file_t file_open(const char *name, int mode) {
    return fopen(name, mode == READ_BINARY ? "rb" : "wb");
}

static uint32_t file_read(runner_file_t file, void *to, uint32_t bytes) {
    return (uint32_t)fread(to, 1, bytes, file);
}

static void file_write(runner_file_t file, const void *from, uint32_t bytes) {
    (void)fwrite(from, 1, bytes, file);
    (void)fflush(file);
}
#else
#include "es_port.h"
#include "semihosting.h"

typedef uintptr_t runner_file_t;
#endif

static int8_t scores[RUNNER_SCORES];

#if MODEL_POSTPROCESS_KIND == ES_POSTPROCESS_CLASSES

typedef es_class_t found_t;

static int next(runner_file_t cases, found_t *found, uint32_t *count) {
    if (file_read(cases, scores, sizeof scores) != sizeof scores) {
        return 0;
    }
    *count = es_postprocess_classes(&MODEL_POSTPROCESS, scores, found);
    return 1;
}

#else

typedef es_box_t found_t;

static int8_t boxes[RUNNER_BOXES];
static _Alignas(4) uint8_t scratch[MODEL_POSTPROCESS_SCRATCH_BYTES];

static int next(runner_file_t cases, found_t *found, uint32_t *count) {
    if (file_read(cases, boxes, sizeof boxes) != sizeof boxes) {
        return 0;
    }
    (void)file_read(cases, scores, sizeof scores);
    *count = es_postprocess_boxes(&MODEL_POSTPROCESS, boxes, scores, found, scratch);
    return 1;
}

#endif

static found_t found[MODEL_POSTPROCESS_MOST];

static void answer_all(void) {
    const runner_file_t cases = file_open("cases", READ_BINARY);
    const runner_file_t answers = file_open("answers", WRITE_BINARY);
    uint32_t count = 0;

    while (next(cases, found, &count)) {
        file_write(answers, &count, sizeof count);
        file_write(answers, found, (uint32_t)(count * sizeof *found));
    }
}

#ifdef RUNNER_ON_HOST
int main(void) {
    answer_all();
    return 0;
}
#else
void es_main(void) {
    es_port_start();
    answer_all();
    leave();
    for (;;) {
    }
}
#endif
