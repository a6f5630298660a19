/* Passes of a pipeline, and the frame that they began with. */
#include "commands_pipeline.h"

#include "bench_text.h"
#include "es_port.h"
#include "pipeline.h"
#include "session.h"

#include <string.h>

static const char *const phase_names[] = {[DECODE] = "decode",
                                          [RESIZE] = "resize",
                                          [NORMALIZE] = "normalize",
                                          [INFER] = "infer",
                                          [POSTPROCESS] = "postprocess"};

/* False, and said, where there is no picture to begin with. */
static bool may_run(void) {
    const pipeline_t *pipeline = harness->pipeline;
    if (pipeline == NULL) {
        command_error("start the harness with --pipeline");
        return false;
    }
    if (pipeline_has(pipeline, DECODE) && pipeline->decoder.name == NULL) {
        command_error(pipeline->decoder.reason);
        return false;
    }
    return true;
}

void pipeline_say_facts(void) {
    if (harness->pipeline != NULL) {
        const decoder_t *decoder = &harness->pipeline->decoder;
        text_fact("decoder", decoder->name != NULL ? decoder->name : "");
        text_fact("no-decoder", decoder->name != NULL     ? ""
                                : decoder->reason != NULL ? decoder->reason
                                                          : "the frame is given raw");
    }
}

static bool run_phase(phase_t phase) {
    pipeline_t *pipeline = harness->pipeline;
    uint64_t ns;
    switch (phase) {
    case DECODE:
        if (!pipeline_decode(pipeline)) {
            command_error(pipeline->decoder.reason);
            return false;
        }
        return true;
    case RESIZE:
        pipeline_resize(pipeline);
        return true;
    case NORMALIZE:
        pipeline_normalize(pipeline, harness->model->input);
        return true;
    case INFER:
        return session_run(&ns);
    default:
        pipeline_postprocess(pipeline, harness->model, session_output());
        return true;
    }
}

/* A phase begins when the one before ends: together they are the pass. */
static bool run_pass(uint64_t begin, uint64_t ns[PHASES], uint64_t *end) {
    uint64_t at = now_ns();
    for (phase_t phase = DECODE; phase < PHASES; phase++) {
        if (pipeline_has(harness->pipeline, phase)) {
            if (!run_phase(phase)) {
                return false;
            }
            const uint64_t now = now_ns();
            ns[phase] = now - at;
            at = now;
        }
    }
    *end = at - begin;
    return true;
}

static void say_phases(void) {
    bool first = true;
    text_put("m-es-phases-[");
    for (phase_t phase = DECODE; phase < PHASES; phase++) {
        if (pipeline_has(harness->pipeline, phase)) {
            text_put(first ? "" : " ");
            text_put(phase_names[phase]);
            first = false;
        }
    }
    command_line("]");
}

static void say_pass(const uint64_t ns[PHASES], uint64_t end) {
    text_put("m-es-pass-");
    text_number(end);
    for (phase_t phase = DECODE; phase < PHASES; phase++) {
        if (pipeline_has(harness->pipeline, phase)) {
            text_put("-");
            text_number(ns[phase]);
        }
    }
    text_end();
}

/* The two steps make what a microcontroller makes in one, pass by pass; compared when the clock
 * does not run. */
static bool is_right(uint64_t count) {
    pipeline_t *pipeline = harness->pipeline;
    if (count == 0) {
        pipeline_make_reference(pipeline);
    }
    if (memcmp(pipeline->reference, harness->model->input, pipeline->file.input_bytes) != 0) {
        command_error("the model's input differs from that of es_preprocess_image");
        return false;
    }
    return true;
}

void pipeline_command(const words_t *words) {
    uint32_t ms, most;
    if (!session_number(words, 2, 0, &ms) || !session_number(words, 3, 0, &most) || !may_run()) {
        return;
    }
    const pipeline_t *pipeline = harness->pipeline;
    const uint64_t begin = now_ns(), over = begin + (uint64_t)ms * 1000000u;
    uint64_t count = 0, ns[PHASES], end;
    session_fill_done();
    say_phases();
    do {
        if (!run_pass(begin, ns, &end) || !is_right(count)) {
            return;
        }
        say_pass(ns, end);
        es_port_flush();
        count++;
    } while (count != most && now_ns() < over);
    session_say_number("m-es-pipeline-done-", count);
    session_say_crc("m-es-frame-crc-", pipeline->frame, pipeline->file.frame_bytes);
    session_say_input_crc();
    session_say_output_crc();
    session_say_crc("m-es-answers-crc-", pipeline->found, pipeline->found_bytes);
}

void frame_command(const words_t *words) {
    enum { BYTES = 512 };
    (void)words;
    if (!may_run()) {
        return;
    }
    const pipeline_file_t *file = &harness->pipeline->file;
    for (uint32_t at = 0; at < file->frame_bytes; at += BYTES) {
        const uint32_t left = file->frame_bytes - at;
        text_put("m-es-frame-");
        text_number(at);
        text_put("-");
        text_hex_bytes(harness->pipeline->frame + at, left < BYTES ? left : BYTES);
        text_end();
    }
}
