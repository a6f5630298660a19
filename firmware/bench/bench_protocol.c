/* The serial protocol of docs/FORMAT.md, the device's side: from characters to commands. */
#include "bench_protocol.h"

#include "bench_command.h"
#include "bench_config.h"
#include "bench_loop.h"
#include "bench_model.h"
#include "bench_text.h"
#include "es_port.h"

#include <string.h>

static void dispatch(const command_t *commands, const words_t *words, uint32_t index) {
    const char *name = index < words->count ? words->at[index] : "";

    for (; commands->name != NULL; commands++) {
        if (strcmp(commands->name, name) != 0) {
            continue;
        }
        if (commands->needs_model && bench_model_fault() != NULL) {
            text_put("e-[no model: ");
            text_put(bench_model_fault());
            command_line("]");
            return;
        }
        commands->run(words);
        return;
    }
    text_put("e-[Unknown command: ");
    text_escaped(name, 20);
    command_line("]");
}

static bool split(char *text, words_t *words) {
    words->count = 0;
    while (*text != '\0') {
        while (*text == ' ') {
            *text++ = '\0';
        }
        if (*text == '\0') {
            break;
        }
        if (words->count == COMMAND_WORDS) {
            return false;
        }
        words->at[words->count++] = text;
        while (*text != '\0' && *text != ' ') {
            text++;
        }
    }
    return true;
}

static void execute(char *text) {
    words_t words;
    if (!split(text, &words)) {
        command_error("too many words in a command");
    } else if (words.count > 0 && strcmp(words.at[0], "es") == 0) {
        dispatch(bench_own_commands, &words, 1);
    } else if (words.count > 0) {
        dispatch(bench_base_commands, &words, 0);
    }
}

static struct {
    char text[BENCH_COMMAND_BYTES];
    uint32_t length;
    bool too_long, bad_character;
} command;

static void take(char c) {
    if (command.length == 0 && (c == '\r' || c == '\n')) {
        return;
    }
    if (c < 0x20 || c > 0x7E) {
        command.bad_character = true;
    }
    if (command.length + 1 < sizeof command.text) {
        command.text[command.length++] = c;
    } else {
        command.too_long = true;
    }
}

/* Ends the answer to an `es` command, so that the host can tell when the line has damaged it. */
static void say_check(void) {
    const uint32_t crc = text_crc();
    text_put("m-es-check-");
    text_hex(crc, 8);
    text_end();
}

static void finish(void) {
    command.text[command.length] = '\0';
    const bool own = strncmp(command.text, "es ", 3) == 0;
    text_crc_begin(command.text);
    if (command.too_long) {
        command_error("the command is too long");
    } else if (command.bad_character) {
        command_error("a character that no command has");
    } else {
        execute(command.text);
    }
    if (own) {
        say_check();
    }
    memset(&command, 0, sizeof command);
    command_line("m-ready");
    es_port_flush();
}

void bench_protocol_run(void) {
    command_line("m-init-done");
    command_line("m-ready");
    es_port_flush();
    for (;;) {
        const int c = es_port_read(bench_loop_is_running() ? 0 : ES_PORT_FOREVER);
        if (c == ES_PORT_CLOSED) {
            return;
        }
        if (c == ES_PORT_NONE && bench_loop_is_running()) {
            bench_loop_step();
        }
        if (c == '%') {
            finish();
        } else if (c >= 0) {
            take((char)c);
        }
    }
}
