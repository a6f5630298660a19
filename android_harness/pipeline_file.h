/* The file of a pipeline: a bundle's declarations of its camera and of its answers, as the tables
 * that firmware/preprocess and firmware/postprocess read. docs/FORMAT.md states its bytes. */
#ifndef PIPELINE_FILE_H
#define PIPELINE_FILE_H

#include "es_postprocess.h"
#include "es_preprocess.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum answers { ANSWERS_NONE, ANSWERS_CLASSES, ANSWERS_BOXES } answers_t;

typedef struct pipeline_file {
    es_image_front_t front;
    uint32_t channels, frame_bytes, input_bytes;
    answers_t answers;
    es_classes_back_t classes;
    es_boxes_back_t boxes;
    uint32_t boxes_output, scores_output; /* positions among the model's outputs */
} pipeline_file_t;

/* NULL, or what is wrong with it. `bytes` are aligned to 8 and stay: the tables are not copied.
 * After NULL, whatever the bytes were, no frame of frame_bytes, and no outputs of the sizes that
 * the record tells, make the firmware's functions read or write beyond them. */
const char *pipeline_file_read(pipeline_file_t *file, const uint8_t *bytes, size_t count);

#endif
