/* Commands of the serial protocol: their words, and what several of them say or need. */
#ifndef BENCH_COMMAND_H
#define BENCH_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

enum { COMMAND_WORDS = 7 };

typedef struct words {
    uint32_t count;
    char *at[COMMAND_WORDS];
} words_t;

/* A command: the word that names it, and whether it needs a model that is ready. */
typedef struct command {
    const char *name;
    bool needs_model;
    void (*run)(const words_t *words);
} command_t;

/* Each ends with an entry without a name. */
extern const command_t bench_base_commands[]; /* of MLPerf Tiny */
extern const command_t bench_own_commands[];  /* behind the word `es` */

/* A line `e-[what]`, and a line as it stands. */
void command_error(const char *what);
void command_line(const char *what);

/* Word `index` as a number, `absent` when it is not there; false (and said) when it is none. */
bool command_number(const words_t *words, uint32_t index, uint32_t absent, uint32_t *value);

const char *command_model_name(void);

/* Makes ready for as many bytes of input as word `index` says. */
void command_expect(const words_t *words, uint32_t index, bool through_adapter);

/* False, and said, where a run from the loaded input cannot be. */
bool command_may_run(void);

/* Warm-ups and measured inferences, their numbers in words `first` and the next; `each` is told. */
void command_infer(const words_t *words, uint32_t first, bool each);

/* Of the pristine copy: it tells an input that was damaged on the line from a wrong result. */
void command_say_input_crc(void);
void command_say_output_crc(void);

#endif
