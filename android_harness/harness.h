/* What main() gives the commands: the model under test, what is around it, and what `es info` says
 * of them. */
#ifndef HARNESS_H
#define HARNESS_H

#include "model.h"
#include "pipeline.h"

typedef struct harness {
    model_t *model;
    const model_wish_t *wish;
    pipeline_t *pipeline; /* NULL where none was asked for */
    uint64_t process_ns;  /* from the shell's exec to main(); 0 where the shell did not say when */
} harness_t;

#endif
