/* What main() gives the commands: the model under test, and what `es info` says of it. */
#ifndef HARNESS_H
#define HARNESS_H

#include "model.h"

typedef struct harness {
    model_t *model;
    const model_wish_t *wish;
    uint64_t process_ns; /* from the shell's exec to main(); 0 where the shell did not say when */
} harness_t;

#endif
