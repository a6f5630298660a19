/* From a picture to answers: decode, resize, normalize, infer, postprocess, each timed apart. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "decoder.h"
#include "model.h"
#include "pipeline_file.h"

typedef enum phase { DECODE, RESIZE, NORMALIZE, INFER, POSTPROCESS, PHASES } phase_t;

typedef struct pipeline_wish {
    const char *file;  /* NULL where no pipeline is wished for */
    const char *jpeg;  /* either a picture to decode, */
    const char *frame; /* or a frame as the camera delivers it */
} pipeline_wish_t;

typedef struct pipeline {
    pipeline_file_t file;
    decoder_t decoder; /* its name is NULL where nothing is decoded */
    uint8_t *bytes;    /* of the file, which its tables lie in */
    uint8_t *jpeg;
    size_t jpeg_bytes;
    uint8_t *frame;     /* file.frame_bytes */
    uint16_t *levels;   /* before the last step: file.input_bytes of them, channels last */
    uint8_t *reference; /* the input as es_preprocess_image() makes it of the frame */
    void *found;        /* answers, and what they take to find */
    void *scratch;
    size_t found_bytes; /* of the last pass's answers */
} pipeline_t;

/* False, and said on stderr, where something cannot be read, or does not suit the model. A decoder
 * that is not there is no reason. */
bool pipeline_open(pipeline_t *pipeline, const pipeline_wish_t *wish, const model_t *model);
void pipeline_close(pipeline_t *pipeline);

/* Whether a phase is in it. */
bool pipeline_has(const pipeline_t *pipeline, phase_t phase);

/* The phases before the model, which put its input where `input` is, and those behind it. */
bool pipeline_decode(pipeline_t *pipeline);
void pipeline_resize(pipeline_t *pipeline);
void pipeline_normalize(const pipeline_t *pipeline, uint8_t *input);
void pipeline_postprocess(pipeline_t *pipeline, const model_t *model, const uint8_t *output);

/* Resize and normalize in one, by the function that a microcontroller calls, to `reference`. */
void pipeline_make_reference(pipeline_t *pipeline);

#endif
