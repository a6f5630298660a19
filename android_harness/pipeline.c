/* The firmware's own sources, and a decoder in front of them. */
#include "pipeline.h"

#include "es_affine.h"
#include "es_image_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static bool refuse(const char *path, const char *what) {
    fprintf(stderr, "%s: %s\n", path, what);
    return false;
}

/* A whole file; NULL, and said, where it cannot be read. */
static uint8_t *read_file(const char *path, size_t *count) {
    struct stat facts;
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    if (file != NULL && fstat(fileno(file), &facts) == 0 && S_ISREG(facts.st_mode) &&
        facts.st_size > 0) {
        *count = (size_t)facts.st_size;
        bytes = malloc(*count);
        if (bytes != NULL && fread(bytes, 1, *count, file) != *count) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    if (bytes == NULL) {
        refuse(path, "cannot be read");
    }
    return bytes;
}

static bool is_int8(const port_t *port, uint64_t bytes) {
    return port->type.element == LITERT_INT8 && port->bytes == bytes;
}

static bool suits(const pipeline_file_t *file, const model_t *model) {
    const size_t outputs = model->output_count;
    if (model->input_count != 1 || !is_int8(&model->inputs[0], file->input_bytes)) {
        return false;
    }
    switch (file->answers) {
    case ANSWERS_CLASSES:
        return outputs > 0 && is_int8(&model->outputs[0], file->classes.scores.classes);
    case ANSWERS_BOXES:
        return file->boxes_output < outputs && file->scores_output < outputs &&
               is_int8(&model->outputs[file->boxes_output], file->boxes.count * 4u) &&
               is_int8(&model->outputs[file->scores_output],
                       (uint64_t)file->boxes.count * file->boxes.scores.classes);
    default:
        return true;
    }
}

static bool make_room(pipeline_t *pipeline) {
    const pipeline_file_t *file = &pipeline->file;
    const size_t found = file->answers == ANSWERS_BOXES ? file->boxes.most * sizeof(es_box_t)
                                                        : file->classes.top * sizeof(es_class_t);
    pipeline->levels = malloc(file->input_bytes * sizeof *pipeline->levels);
    pipeline->reference = malloc(file->input_bytes);
    pipeline->found = malloc(found > 0 ? found : 1);
    pipeline->scratch = malloc(ES_BOXES_SCRATCH_BYTES((size_t)file->boxes.count) + 1);
    return pipeline->levels != NULL && pipeline->reference != NULL && pipeline->found != NULL &&
           pipeline->scratch != NULL;
}

static bool read_picture(pipeline_t *pipeline, const pipeline_wish_t *wish) {
    const es_image_front_t *front = &pipeline->file.front;
    size_t bytes;
    if (wish->jpeg != NULL) {
        pipeline->jpeg = read_file(wish->jpeg, &pipeline->jpeg_bytes);
        pipeline->frame = malloc(pipeline->file.frame_bytes);
        decoder_open(&pipeline->decoder, (es_pixel_format_t)front->format, front->frame_width,
                     front->frame_height);
        return pipeline->jpeg != NULL && pipeline->frame != NULL;
    }
    pipeline->frame = read_file(wish->frame, &bytes);
    return pipeline->frame != NULL && (bytes == pipeline->file.frame_bytes ||
                                       refuse(wish->frame, "is no frame of the camera"));
}

bool pipeline_open(pipeline_t *pipeline, const pipeline_wish_t *wish, const model_t *model) {
    size_t bytes;
    pipeline->bytes = read_file(wish->file, &bytes);
    if (pipeline->bytes == NULL) {
        return false;
    }
    const char *wrong = pipeline_file_read(&pipeline->file, pipeline->bytes, bytes);
    if (wrong != NULL) {
        return refuse(wish->file, wrong);
    }
    if (!suits(&pipeline->file, model)) {
        return refuse(wish->file, "does not suit the model's input and outputs");
    }
    return read_picture(pipeline, wish) && (make_room(pipeline) || refuse(wish->file, "no memory"));
}

void pipeline_close(pipeline_t *pipeline) {
    decoder_close(&pipeline->decoder);
    free(pipeline->bytes);
    free(pipeline->jpeg);
    free(pipeline->frame);
    free(pipeline->levels);
    free(pipeline->reference);
    free(pipeline->found);
    free(pipeline->scratch);
}

bool pipeline_has(const pipeline_t *pipeline, phase_t phase) {
    return phase == DECODE        ? pipeline->jpeg != NULL
           : phase == POSTPROCESS ? pipeline->file.answers != ANSWERS_NONE
                                  : true;
}

bool pipeline_decode(pipeline_t *pipeline) {
    return decoder_run(&pipeline->decoder, pipeline->jpeg, pipeline->jpeg_bytes, pipeline->frame);
}

void pipeline_resize(pipeline_t *pipeline) {
    const es_image_front_t *front = &pipeline->file.front;
    uint16_t *out = pipeline->levels;
    for (uint32_t y = 0; y < front->out_height; y++) {
        for (uint32_t x = 0; x < front->out_width; x++) {
            uint32_t levels[3];
            sum_pixel(front, pipeline->frame, &front->rows[y], &front->columns[x], levels);
            for (uint32_t c = 0; c < channels(front); c++) {
                *out++ = (uint16_t)levels[c];
            }
        }
    }
}

void pipeline_normalize(const pipeline_t *pipeline, uint8_t *input) {
    const es_image_front_t *front = &pipeline->file.front;
    const uint16_t *level = pipeline->levels;
    for (uint32_t y = 0; y < front->out_height; y++) {
        for (uint32_t x = 0; x < front->out_width; x++) {
            uint8_t *out = input + y * front->row_step + x * front->column_step;
            for (uint32_t c = 0; c < channels(front); c++) {
                out[c * front->channel_step] =
                    (uint8_t)es_affine_int8(&front->affines[c], *level++);
            }
        }
    }
}

void pipeline_make_reference(pipeline_t *pipeline) {
    es_preprocess_image(&pipeline->file.front, pipeline->frame, (int8_t *)pipeline->reference);
}

/* Where an output's bytes begin, when all lie one after the other. */
static const int8_t *output_at(const model_t *model, const uint8_t *output, size_t index) {
    for (size_t i = 0; i < index; i++) {
        output += model->outputs[i].bytes;
    }
    return (const int8_t *)output;
}

void pipeline_postprocess(pipeline_t *pipeline, const model_t *model, const uint8_t *output) {
    const pipeline_file_t *file = &pipeline->file;
    if (file->answers == ANSWERS_CLASSES) {
        pipeline->found_bytes =
            sizeof(es_class_t) *
            es_postprocess_classes(&file->classes, output_at(model, output, 0), pipeline->found);
    } else if (file->answers == ANSWERS_BOXES) {
        pipeline->found_bytes =
            sizeof(es_box_t) * es_postprocess_boxes(&file->boxes,
                                                    output_at(model, output, file->boxes_output),
                                                    output_at(model, output, file->scores_output),
                                                    pipeline->found, pipeline->scratch);
    }
}
