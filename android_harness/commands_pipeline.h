/* Commands around a picture, of a harness that was started with a pipeline. */
#ifndef COMMANDS_PIPELINE_H
#define COMMANDS_PIPELINE_H

#include "bench_command.h"

/* Facts of `es info`: what decodes, or why nothing does. */
void pipeline_say_facts(void);

void pipeline_command(const words_t *words); /* es pipeline MS [PASSES] */
void frame_command(const words_t *words);    /* es frame */

#endif
