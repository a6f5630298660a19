/* Two libraries behind one call. Declarations are restated, as the headers may not be there: of
 * TurboJPEG 2 (turbojpeg.h), and of the NDK (android/imagedecoder.h, API level 30). */
#include "decoder.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* How a library is bound, and how it decodes. */
typedef struct decoder_kind {
    const char *library;
    bool (*bind)(decoder_t *decoder);
    bool (*run)(decoder_t *decoder, const uint8_t *jpeg, size_t bytes, uint8_t *frame);
    void (*unbind)(decoder_t *decoder);
} decoder_kind_t;

static bool refuse(decoder_t *decoder, const char *reason) {
    decoder->reason = reason;
    return false;
}

/* Fills in a table of pointers, one for each name. */
static bool find(decoder_t *decoder, const char *const *names, void *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        void *function = dlsym(decoder->library, names[i]);
        if (function == NULL) {
            return refuse(decoder, "the library lacks a function");
        }
        memcpy((uint8_t *)table + i * sizeof function, &function, sizeof function);
    }
    return true;
}

/* libjpeg-turbo. */

enum { TURBO_RGB = 0, TURBO_BGR = 1, TURBO_GRAY = 6 };

static struct {
    void *(*start)(void);
    int (*header)(void *handle, const unsigned char *jpeg, unsigned long bytes, int *width,
                  int *height, int *subsampling, int *colours);
    int (*decode)(void *handle, const unsigned char *jpeg, unsigned long bytes,
                  unsigned char *pixels, int width, int pitch, int height, int format, int flags);
    int (*end)(void *handle);
} turbo;

static bool turbo_bind(decoder_t *decoder) {
    static const char *const names[] = {"tjInitDecompress", "tjDecompressHeader3", "tjDecompress2",
                                        "tjDestroy"};
    _Static_assert(sizeof turbo == sizeof names, "a pointer for each name");
    if (!find(decoder, names, &turbo, sizeof names / sizeof *names)) {
        return false;
    }
    decoder->handle = turbo.start();
    return decoder->handle != NULL || refuse(decoder, "TurboJPEG does not start");
}

static bool turbo_run(decoder_t *decoder, const uint8_t *jpeg, size_t bytes, uint8_t *frame) {
    const int format = decoder->format == ES_RGB888   ? TURBO_RGB
                       : decoder->format == ES_BGR888 ? TURBO_BGR
                                                      : TURBO_GRAY;
    int width, height, subsampling, colours;
    if (turbo.header(decoder->handle, jpeg, bytes, &width, &height, &subsampling, &colours) != 0) {
        return refuse(decoder, "the picture is no JPEG");
    }
    if ((uint32_t)width != decoder->width || (uint32_t)height != decoder->height) {
        return refuse(decoder, "the picture is of another size than the camera's frame");
    }
    return turbo.decode(decoder->handle, jpeg, bytes, frame, width, 0, height, format, 0) == 0 ||
           refuse(decoder, "the picture is damaged");
}

static void turbo_unbind(decoder_t *decoder) {
    if (decoder->handle != NULL) {
        turbo.end(decoder->handle);
    }
}

/* Android's. It gives red, green, blue and opacity. */

enum { ANDROID_RGBA = 1, ANDROID_GOOD = 0 };

static struct {
    int (*create)(const void *jpeg, size_t bytes, void **decoder);
    void (*destroy)(void *decoder);
    int (*set_format)(void *decoder, int32_t format);
    const void *(*info)(const void *decoder);
    int32_t (*width)(const void *info);
    int32_t (*height)(const void *info);
    int (*decode)(void *decoder, void *pixels, size_t stride, size_t bytes);
} android;

static bool android_bind(decoder_t *decoder) {
    static const char *const names[] = {"AImageDecoder_createFromBuffer",
                                        "AImageDecoder_delete",
                                        "AImageDecoder_setAndroidBitmapFormat",
                                        "AImageDecoder_getHeaderInfo",
                                        "AImageDecoderHeaderInfo_getWidth",
                                        "AImageDecoderHeaderInfo_getHeight",
                                        "AImageDecoder_decodeImage"};
    _Static_assert(sizeof android == sizeof names, "a pointer for each name");
    if (!find(decoder, names, &android, sizeof names / sizeof *names)) {
        return refuse(decoder, "AImageDecoder came with Android 11");
    }
    if (decoder->format == ES_GRAY8) {
        return refuse(decoder, "AImageDecoder gives no grey");
    }
    decoder->scratch = malloc((size_t)decoder->width * decoder->height * 4);
    return decoder->scratch != NULL || refuse(decoder, "no memory");
}

static bool android_decode(decoder_t *decoder, void *handle) {
    const void *info = android.info(handle);
    const size_t stride = (size_t)decoder->width * 4;
    if ((uint32_t)android.width(info) != decoder->width ||
        (uint32_t)android.height(info) != decoder->height) {
        return refuse(decoder, "the picture is of another size than the camera's frame");
    }
    return (android.set_format(handle, ANDROID_RGBA) == ANDROID_GOOD &&
            android.decode(handle, decoder->scratch, stride, stride * decoder->height) ==
                ANDROID_GOOD) ||
           refuse(decoder, "the picture is damaged");
}

static bool android_run(decoder_t *decoder, const uint8_t *jpeg, size_t bytes, uint8_t *frame) {
    void *handle = NULL;
    if (android.create(jpeg, bytes, &handle) != ANDROID_GOOD) {
        return refuse(decoder, "the picture is no JPEG");
    }
    const bool decoded = android_decode(decoder, handle);
    android.destroy(handle);
    if (decoded) {
        const size_t pixels = (size_t)decoder->width * decoder->height;
        const int first = decoder->format == ES_BGR888 ? 2 : 0;
        for (size_t i = 0; i < pixels; i++) {
            const uint8_t *rgba = decoder->scratch + 4 * i;
            frame[3 * i] = rgba[first];
            frame[3 * i + 1] = rgba[1];
            frame[3 * i + 2] = rgba[2 - first];
        }
    }
    return decoded;
}

static void android_unbind(decoder_t *decoder) {
    free(decoder->scratch);
}

static const decoder_kind_t kinds[] = {
    {"libjnigraphics.so", android_bind, android_run, android_unbind},
    {"libturbojpeg.so.0", turbo_bind, turbo_run, turbo_unbind},
};

void decoder_open(decoder_t *decoder, es_pixel_format_t format, uint32_t width, uint32_t height) {
    *decoder = (decoder_t){.format = (uint8_t)format, .width = width, .height = height};
    if (format > ES_GRAY8) {
        decoder->reason = "no decoder gives the pixels of such a camera";
        return;
    }
    decoder->reason = "neither libjnigraphics.so nor libturbojpeg.so.0 is here";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        decoder->library = dlopen(kinds[i].library, RTLD_NOW | RTLD_LOCAL);
        if (decoder->library == NULL) {
            continue;
        }
        if (kinds[i].bind(decoder)) {
            decoder->kind = &kinds[i];
            decoder->name = kinds[i].library;
            return;
        }
        dlclose(decoder->library);
        decoder->library = NULL;
    }
}

bool decoder_run(decoder_t *decoder, const uint8_t *jpeg, size_t bytes, uint8_t *frame) {
    return decoder->kind->run(decoder, jpeg, bytes, frame);
}

void decoder_close(decoder_t *decoder) {
    if (decoder->kind != NULL) {
        decoder->kind->unbind(decoder);
        dlclose(decoder->library);
    }
}
