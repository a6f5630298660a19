/* The base commands: those of the MLPerf Tiny benchmark. */
#include "bench_command.h"
#include "bench_text.h"
#include "session.h"

#include <string.h>

static void name(const words_t *words) {
    (void)words;
    command_line("m-name-dut-[edgeserve phone harness]");
}

static void timestamp(const words_t *words) {
    (void)words;
    session_say_number("m-lap-us-", session_microseconds());
}

static void profile(const words_t *words) {
    (void)words;
    command_line("m-profile-[ULPMark for tinyML Firmware V0.0.1]");
    text_put("m-model-[");
    text_escaped(session_model_name(), 128);
    command_line("]");
}

static void help(const words_t *words) {
    (void)words;
    command_line("m-[name, timestamp, profile, help, results, infer N [W], db load N, db HEX]");
    command_line("m-[es info, es load N, es fill SEED, es run, es lap N [W], es out, es prof]");
    command_line("m-[es sustain MS [PERIOD_US [STREAMS]], es pipeline MS [PASSES], es frame]");
}

static void db(const words_t *words) {
    if (words->count == 3 && strcmp(words->at[1], "load") == 0) {
        session_expect(words, 2);
    } else if (words->count == 2) {
        session_append(words->at[1]);
    } else {
        command_error("usage: db load N or db HEX");
    }
}

static void results(const words_t *words) {
    (void)words;
    if (session_has_run()) {
        session_say_results();
    } else {
        command_error("nothing has run yet");
    }
}

static void infer(const words_t *words) {
    session_infer(words, 1, false);
}

const command_t bench_base_commands[] = {
    {"name", false, name},
    {"timestamp", false, timestamp},
    {"profile", false, profile},
    {"help", false, help},
    {"db", true, db},
    {"infer", true, infer},
    {"results", true, results},
    {NULL, false, NULL},
};
