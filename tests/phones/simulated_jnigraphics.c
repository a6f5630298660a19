/* A simulated libjnigraphics.so: a decoder of Android's interface, whose pixels are made of the
 * picture's last bytes, and which takes the width and height from the two before those. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct simulated {
    int32_t width, height;
    uint8_t seed;
} simulated_t;

int AImageDecoder_createFromBuffer(const void *buffer, size_t length, simulated_t **decoder) {
    const uint8_t *bytes = buffer;
    if (length < 4) {
        return -3;
    }
    *decoder = malloc(sizeof **decoder);
    **decoder = (simulated_t){bytes[length - 3], bytes[length - 2], bytes[length - 1]};
    return 0;
}

void AImageDecoder_delete(simulated_t *decoder) {
    free(decoder);
}

int AImageDecoder_setAndroidBitmapFormat(simulated_t *decoder, int32_t format) {
    return decoder != NULL && format == 1 ? 0 : -5;
}

const simulated_t *AImageDecoder_getHeaderInfo(const simulated_t *decoder) {
    return decoder;
}

int32_t AImageDecoderHeaderInfo_getWidth(const simulated_t *info) {
    return info->width;
}

int32_t AImageDecoderHeaderInfo_getHeight(const simulated_t *info) {
    return info->height;
}

int AImageDecoder_decodeImage(simulated_t *decoder, void *pixels, size_t stride, size_t size) {
    if (stride != (size_t)decoder->width * 4 || size != stride * (size_t)decoder->height) {
        return -5;
    }
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)pixels)[i] = i % 4 == 3 ? 255 : (uint8_t)(decoder->seed + i * 7);
    }
    return 0;
}
