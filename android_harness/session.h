/* The model between commands: its input, its runs, and what several commands say of them. */
#ifndef SESSION_H
#define SESSION_H

#include "bench_command.h"
#include "harness.h"

extern const harness_t *harness;

void session_start(const harness_t *harness);
const char *session_model_name(void);
uint64_t session_microseconds(void);

/* Word `index` as a number, `absent` where it is not there; false, and said, when it is none. */
bool session_number(const words_t *words, uint32_t index, uint32_t absent, uint32_t *value);
void session_say_number(const char *what, uint64_t value);

/* The input: so many bytes are awaited, come as hexadecimal digits, or were made here. */
void session_expect(const words_t *words, uint32_t index);
void session_append(const char *hex);
void session_fill_done(void);
void session_say_crc(const char *what, const uint8_t *bytes, size_t count);
void session_say_input_crc(void);

/* One inference whose output is kept; false, and said, where LiteRT fails. */
bool session_run(uint64_t *ns);
bool session_may_run(void); /* false, and said, where the input is not complete */
bool session_has_run(void);

/* Warm-ups and measured inferences, their numbers in words `index` and the next; `each` is told. */
void session_infer(const words_t *words, uint32_t index, bool each);

const uint8_t *session_output(void);
void session_say_output_crc(void);
void session_say_results(void);
size_t session_element_bytes(int element);

#endif
