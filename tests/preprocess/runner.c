/* Preprocesses raw data by the tables of one declaration: on the host, or on an emulated board.
 *
 * `cases` holds, for each case, {u32 mode} and the raw data: a frame, a clip or a window. `answers`
 * gets the model's input for each. Mode 0 takes the raw data as a whole; mode 1 piece by piece: a
 * frame's rows, a stream's hops. */
#include "preprocess.h"

#include <string.h>

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

static void leave(void) {}
#else
#include "es_port.h"
#include "semihosting.h"

typedef uintptr_t runner_file_t;
#endif

static _Alignas(8) uint8_t raw[MODEL_PREPROCESS_RAW_BYTES];
static int8_t input[MODEL_PREPROCESS_INPUT_BYTES];

#if MODEL_PREPROCESS_KIND == ES_PREPROCESS_IMAGE

static void whole(void) {
    es_preprocess_image(&MODEL_PREPROCESS, raw, input);
}

static void by_pieces(void) {
    for (uint32_t y = 0; y < MODEL_PREPROCESS.out_height; y++) {
        es_preprocess_image_rows(&MODEL_PREPROCESS, raw, y, y + 1,
                                 input + y * MODEL_PREPROCESS.row_step);
    }
}

#elif MODEL_PREPROCESS_KIND == ES_PREPROCESS_AUDIO

static _Alignas(8) uint8_t scratch[MODEL_PREPROCESS_SCRATCH_BYTES];
static _Alignas(8) uint8_t memory[MODEL_PREPROCESS_STREAM_BYTES];

static void whole(void) {
    es_preprocess_audio(&MODEL_PREPROCESS, (const int16_t *)raw, input, scratch);
}

static void by_pieces(void) {
    const int16_t *clip = (const int16_t *)raw;
    memset(memory, 0, sizeof memory);
    for (uint32_t at = 0; at + MODEL_PREPROCESS.hop <= MODEL_PREPROCESS.samples;
         at += MODEL_PREPROCESS.hop) {
        es_preprocess_audio_push(&MODEL_PREPROCESS, clip + at, memory, input, scratch);
    }
}

#else

static void whole(void) {
    es_preprocess_sensor(&MODEL_PREPROCESS, (const int16_t *)raw, input);
}

static void by_pieces(void) {
    const int16_t *rows = (const int16_t *)raw;
    memset(input, 0, sizeof input);
    for (uint32_t y = 0; y + MODEL_PREPROCESS.hop <= MODEL_PREPROCESS.samples;
         y += MODEL_PREPROCESS.hop) {
        es_preprocess_sensor_push(&MODEL_PREPROCESS, rows + y * MODEL_PREPROCESS.channels, input);
    }
}

#endif

static void answer_all(void) {
    const runner_file_t cases = file_open("cases", READ_BINARY);
    const runner_file_t answers = file_open("answers", WRITE_BINARY);
    uint32_t mode;

    while (file_read(cases, &mode, sizeof mode) == sizeof mode) {
        (void)file_read(cases, raw, sizeof raw);
        if (mode == 0) {
            whole();
        } else {
            by_pieces();
        }
        file_write(answers, input, sizeof input);
    }
}

#ifdef RUNNER_ON_HOST
int main(void) {
    answer_all();
    leave();
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
