/* What several commands say or need. */
#include "bench_command.h"

#include "bench_model.h"
#include "bench_stream.h"
#include "bench_text.h"

void command_error(const char *what) {
    text_put("e-[");
    text_put(what);
    text_put("]\r\n");
}

void command_line(const char *what) {
    text_put(what);
    text_end();
}

bool command_number(const words_t *words, uint32_t index, uint32_t absent, uint32_t *value) {
    if (index >= words->count) {
        *value = absent;
        return true;
    }
    if (!text_parse(words->at[index], value)) {
        command_error("an argument is not a number");
        return false;
    }
    return true;
}

const char *command_model_name(void) {
    return bench_model_fault() == NULL ? es_name(bench_model()) : "none";
}

void command_expect(const words_t *words, uint32_t index, bool through_adapter) {
    uint32_t bytes = 0;
    if (!command_number(words, index, 0, &bytes)) {
        return;
    }
    if (!bench_load_begin(bytes, through_adapter)) {
        command_error("the number of bytes is 0 or more than the input has");
        return;
    }
    text_put("m-[Expecting ");
    text_number(bytes);
    command_line(" bytes]");
}

void command_say_input_crc(void) {
    text_put("m-es-input-crc-");
    text_hex(bench_input_crc(), 8);
    text_end();
}

void command_say_output_crc(void) {
    text_put("m-es-output-crc-");
    text_hex(bench_output_crc(), 8);
    text_end();
}

bool command_may_run(void) {
    if (stream_is_on()) {
        command_error("the input comes row by row over the line: es rows ends that");
        return false;
    }
    if (bench_input_fault() != NULL) {
        command_error(bench_input_fault());
        return false;
    }
    return true;
}
