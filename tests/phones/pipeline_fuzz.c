/* Reads files of pipelines from its standard input, each behind its length (32 bits), and uses
 * those that are taken as the harness does, on frames and outputs that have just the bytes they
 * must have. The sanitizers do the rest. Says how many were taken. */
#include "pipeline_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FRAME = 1 << 20, MOST_WORK = 1 << 22 };

static void *filled(size_t bytes, int with) {
    void *memory = malloc(bytes);
    if (memory == NULL) {
        abort();
    }
    memset(memory, with, bytes);
    return memory;
}

/* What a frame takes: a file may ask for a sum of all pixels, many times. */
static uint64_t work(const es_image_front_t *front) {
    uint64_t rows = 0, columns = 0;
    for (uint32_t i = 0; i < front->out_height; i++) {
        rows += front->rows[i].count;
    }
    for (uint32_t i = 0; i < front->out_width; i++) {
        columns += front->columns[i].count;
    }
    return rows * columns;
}

static void preprocess(const pipeline_file_t *file, int with) {
    if (file->frame_bytes <= MOST_FRAME && work(&file->front) <= MOST_WORK) {
        uint8_t *frame = filled(file->frame_bytes, with);
        int8_t *input = filled(file->input_bytes, 0);
        es_preprocess_image(&file->front, frame, input);
        free(input);
        free(frame);
    }
}

static void postprocess(const pipeline_file_t *file, int with) {
    if (file->answers == ANSWERS_CLASSES) {
        int8_t *scores = filled(file->classes.scores.classes, with);
        es_class_t *found = malloc(file->classes.top * sizeof *found);
        es_postprocess_classes(&file->classes, scores, found);
        free(found);
        free(scores);
    } else if (file->answers == ANSWERS_BOXES) {
        const es_boxes_back_t *back = &file->boxes;
        const size_t cells = (size_t)back->count * back->scores.classes;
        if (cells * back->most > MOST_WORK) {
            return;
        }
        int8_t *boxes = filled(back->count * 4u, with);
        int8_t *scores = filled(cells, -with);
        es_box_t *found = malloc(back->most * sizeof *found);
        void *scratch = malloc(ES_BOXES_SCRATCH_BYTES(back->count));
        es_postprocess_boxes(back, boxes, scores, found, scratch);
        free(scratch);
        free(found);
        free(scores);
        free(boxes);
    }
}

int main(void) {
    uint32_t count, taken = 0;
    while (fread(&count, sizeof count, 1, stdin) == 1) {
        uint8_t *bytes = filled(count > 0 ? count : 1, 0);
        pipeline_file_t file;
        if (fread(bytes, 1, count, stdin) != count) {
            return 2;
        }
        if (pipeline_file_read(&file, bytes, count) == NULL) {
            taken++;
            for (int with = 0; with < 256; with += 85) {
                preprocess(&file, with);
                postprocess(&file, with);
            }
        }
        free(bytes);
    }
    printf("%u\n", taken);
    return 0;
}
