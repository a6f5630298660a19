/* A model under test on a phone: LiteRT behind the protocol that every other device speaks.
 *
 * harness --library libLiteRt.so --model FILE [--accelerator cpu|gpu|npu] [--threads N] [--profile]
 *         [--since NS]    (`date +%s%N` just before: what the start of the process took)
 *         [--pipeline FILE (--jpeg FILE | --frame FILE)]    (what is around the model)
 *
 * It ends when its standard input does. What goes wrong before that is one line on stderr. */
#include "bench_protocol.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: %s --library libLiteRt.so --model FILE [--accelerator cpu|gpu|npu] [--threads N] "
    "[--profile] [--since NS] [--pipeline FILE (--jpeg FILE | --frame FILE)]\n";

static bool accelerator_of(const char *name, accelerator_t *accelerator) {
    static const char *const names[] = {"cpu", "gpu", "npu"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *accelerator = (accelerator_t)i;
            return true;
        }
    }
    return false;
}

static uint64_t wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool whole_number(const char *text, uint64_t *value) {
    char *end;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

/* False for an argument that is none of a pipeline's. */
static bool take_pipeline(const char *argument, const char *value, pipeline_wish_t *wish) {
    if (strcmp(argument, "--pipeline") == 0) {
        wish->file = value;
    } else if (strcmp(argument, "--jpeg") == 0) {
        wish->jpeg = value;
    } else if (strcmp(argument, "--frame") == 0) {
        wish->frame = value;
    } else {
        return false;
    }
    return true;
}

/* All or nothing, and one picture. */
static bool is_whole(const pipeline_wish_t *wish) {
    const int pictures = (wish->jpeg != NULL) + (wish->frame != NULL);
    return pictures == (wish->file != NULL ? 1 : 0);
}

/* Fills in the wishes; `since` is 0 where it was not given. */
static bool read_arguments(char **argument, model_wish_t *wish, pipeline_wish_t *around,
                           uint64_t *since) {
    uint64_t threads;
    for (; *argument != NULL; argument++) {
        const char *const value = argument[1];
        if (strcmp(*argument, "--profile") == 0) {
            wish->profile = true;
            continue;
        }
        if (value == NULL) {
            return false;
        }
        argument++;
        if (strcmp(argument[-1], "--library") == 0) {
            wish->library = value;
        } else if (strcmp(argument[-1], "--model") == 0) {
            wish->path = value;
        } else if (strcmp(argument[-1], "--accelerator") == 0) {
            if (!accelerator_of(value, &wish->accelerator)) {
                return false;
            }
        } else if (strcmp(argument[-1], "--threads") == 0) {
            if (!whole_number(value, &threads) || threads > 256) {
                return false;
            }
            wish->threads = (int)threads;
        } else if (strcmp(argument[-1], "--since") == 0) {
            if (!whole_number(value, since)) {
                return false;
            }
        } else if (!take_pipeline(argument[-1], value, around)) {
            return false;
        }
    }
    return wish->library != NULL && wish->path != NULL && is_whole(around);
}

int main(int count, char **arguments) {
    const uint64_t now = wall_ns();
    static model_t model;
    static pipeline_t pipeline;
    model_wish_t wish = {0};
    pipeline_wish_t around = {0};
    uint64_t since = 0;
    if (count < 1 || !read_arguments(arguments + 1, &wish, &around, &since)) {
        fprintf(stderr, usage, count > 0 ? arguments[0] : "harness");
        return 2;
    }
    const bool opened = model_open(&model, &wish) &&
                        (around.file == NULL || pipeline_open(&pipeline, &around, &model));
    if (opened) {
        const harness_t given = {.model = &model,
                                 .wish = &wish,
                                 .pipeline = around.file != NULL ? &pipeline : NULL,
                                 .process_ns = since != 0 && now > since ? now - since : 0};
        session_start(&given);
        bench_protocol_run();
    }
    pipeline_close(&pipeline);
    model_close(&model);
    return opened ? 0 : 1;
}
