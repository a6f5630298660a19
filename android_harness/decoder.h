/* JPEG to a camera's frame, by what the system has: AImageDecoder of Android 11 and later, or
 * libjpeg-turbo. Both are bound at run time by dlopen, so that the harness starts without them. */
#ifndef DECODER_H
#define DECODER_H

#include "es_preprocess.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct decoder {
    const char *name;   /* the library's; NULL where there is none */
    const char *reason; /* why there is none, or why the last picture was not decoded */
    uint8_t format;
    uint32_t width, height;
    const struct decoder_kind *kind;
    void *library, *handle;
    uint8_t *scratch;
} decoder_t;

/* For frames of this size and format, which a decoder gives only where it has red, green and blue,
 * or grey, in bytes. */
void decoder_open(decoder_t *decoder, es_pixel_format_t format, uint32_t width, uint32_t height);

/* The whole way from a file's bytes to the frame. False, with a reason, for what is damaged, or of
 * another size. */
bool decoder_run(decoder_t *decoder, const uint8_t *jpeg, size_t bytes, uint8_t *frame);

void decoder_close(decoder_t *decoder);

#endif
