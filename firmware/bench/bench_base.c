/* The base commands: those of the MLPerf Tiny benchmark. */
#include "bench_command.h"
#include "bench_config.h"
#include "bench_model.h"
#include "bench_stamp.h"
#include "bench_text.h"
#include "es_port.h"

#include <string.h>

enum { DEFAULT_INFERENCES = 1, DEFAULT_WARM_UPS = 10 };

static void say_name(const words_t *words) {
    (void)words;
    text_put("m-name-dut-[");
    text_escaped(BENCH_BOARD_NAME, 128);
    command_line("]");
}

static void timestamp(const words_t *words) {
    (void)words;
    stamp(bench_microseconds());
}

static void profile(const words_t *words) {
    (void)words;
    command_line("m-profile-[ULPMark for tinyML Firmware V0.0.1]");
    text_put("m-model-[");
    text_escaped(command_model_name(), 128);
    command_line("]");
}

static void help(const words_t *words) {
    (void)words;
    command_line("m-[name, timestamp, profile, help, results, infer N [W]]");
    command_line("m-[db load N, db HEX, db print [N] [OFFSET]]");
    command_line(
        "m-[es info, es memory, es load N, es fill SEED, es reset, es run, es crc [STEP]]");
    command_line("m-[es prof, es lap N [W], es out [OFFSET] [N], es dump STEP ROW N]");
    command_line("m-[es stream [MS], es rows, es loop set RING POLICY DEADLINE]");
    command_line("m-[es loop start FRAMES PERIOD SPREAD SEED, es loop trace FRAMES [MS]]");
    command_line("m-[es loop stop, es loop stats]");
}

static void db_print(const words_t *words) {
    uint32_t total, count, offset;
    const uint8_t *data = bench_loaded(&total);
    if (!command_number(words, 3, 0, &offset) || !command_number(words, 2, UINT32_MAX, &count)) {
        return;
    }
    if (offset > total) {
        command_error("the offset lies behind the data");
        return;
    }
    count = count < total - offset ? count : total - offset;
    for (uint32_t i = 0; i < count; i++) {
        text_put(i % 8 == 0 ? "m-buffer" : "");
        text_put("-");
        text_hex(data[offset + i], 2);
        text_put(i % 8 == 7 || i + 1 == count ? "\r\n" : "");
    }
}

static void db_append(const char *hex) {
    const uint32_t digits = (uint32_t)strlen(hex);
    const char *full = bench_load_byte_room(digits / 2);

    if (digits % 2 != 0) {
        command_error("an odd number of digits");
        return;
    }
    for (uint32_t i = 0; i < digits; i += 2) {
        if (text_hex_byte(hex + i) < 0) {
            command_error("a bad hexadecimal digit");
            return;
        }
    }
    if (full != NULL) {
        command_error(full);
        return;
    }
    for (uint32_t i = 0; i < digits; i += 2) {
        if (bench_load_byte((uint8_t)text_hex_byte(hex + i))) {
            command_line("m-load-done");
        }
    }
}

static void db(const words_t *words) {
    if (words->count == 3 && strcmp(words->at[1], "load") == 0) {
        command_expect(words, 2, true);
    } else if (words->count >= 2 && words->count <= 4 && strcmp(words->at[1], "print") == 0) {
        db_print(words);
    } else if (words->count == 2) {
        db_append(words->at[1]);
    } else {
        command_error("usage: db load N, db HEX or db print [N] [OFFSET]");
    }
}

/* Element `k` of an output as a real number; what has no scale is shown as it is. */
static float real_output(const es_port_info_t *info, const uint8_t *data, uint32_t k) {
    float real = 0;
    int32_t q = 0;

    switch (info->dtype) {
    case ES_FLOAT32:
        memcpy(&real, data + 4 * k, sizeof real);
        return real;
    case ES_INT8:
        q = (int8_t)data[k];
        break;
    case ES_UINT8:
    case ES_BOOL:
        q = data[k];
        break;
    case ES_INT16: {
        int16_t narrow;
        memcpy(&narrow, data + 2 * k, sizeof narrow);
        q = narrow;
        break;
    }
    case ES_INT32:
        memcpy(&q, data + 4 * k, sizeof q);
        break;
    case ES_INT64:
        memcpy(&q, data + 8 * k, sizeof q); /* the low word: indices and counts */
        break;
    }
    const float scale = info->scale != 0 ? info->scale : 1;
    return scale * (float)(q - (info->scale != 0 ? info->zero_point : 0));
}

static void say_results(void) {
    text_put("m-results-[");
    for (uint32_t i = 0; i < es_output_count(bench_model()); i++) {
        const es_port_info_t info = es_output_info(bench_model(), i);
        for (uint32_t k = 0; k < info.elements; k++) {
            text_put(i + k > 0 ? "," : "");
            text_milli(real_output(&info, es_output(bench_model(), i), k));
        }
    }
    command_line("]");
}

static void results(const words_t *words) {
    (void)words;
    if (!bench_has_run()) {
        command_error("nothing has run yet");
        return;
    }
    say_results();
}

static void say_count(const char *what, uint32_t count) {
    text_put(what);
    text_number(count);
    text_end();
}

/* Runs the warm-ups; the CRC that every later lap must have goes to *crc. */
static void warm_up(uint32_t count, uint32_t *crc) {
    say_count("m-warmup-start-", count);
    for (uint32_t i = 0; i < count; i++) {
        (void)bench_run(crc);
    }
    command_line("m-warmup-done");
}

static void require_same_output(uint32_t differing) {
    if (differing > 0) {
        command_error("the output differs between inferences on the same input");
    }
}

/* `count` inferences between two pulses, with nothing but putting the input back; checked after
 * them. */
static void between_pulses(uint32_t count, uint32_t warm_ups, uint32_t expected) {
    stamp(0);
    for (uint32_t i = 0; i < count; i++) {
        bench_run_unseen();
    }
    stamp(0);
    const uint32_t crc = bench_last_output_crc();
    require_same_output(warm_ups > 0 && crc != expected && !bench_is_stateful());
}

/* `count` measured inferences; the sum of their units. The output must be the same every time,
 * unless the model keeps state. */
static uint64_t measured(uint32_t count, uint32_t warm_ups, uint32_t expected, bool each) {
    uint64_t sum = 0;
    uint32_t differing = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t crc;
        const uint64_t units = bench_run(&crc);
        sum += units;
        if (i == 0 && warm_ups == 0) {
            expected = crc;
        }
        differing += crc != expected && !bench_is_stateful();
        if (each) {
            text_put("m-es-lap-");
            text_number(i);
            text_put("-");
            text_number(units);
            text_end();
        }
    }
    require_same_output(differing);
    return sum;
}

void command_infer(const words_t *words, uint32_t first, bool each) {
    uint32_t count = 0, warm_ups = 0, crc = 0;

    if (!command_number(words, first, DEFAULT_INFERENCES, &count) ||
        !command_number(words, first + 1, DEFAULT_WARM_UPS, &warm_ups)) {
        return;
    }
    if (count == 0) {
        command_error("the number of inferences must be at least 1");
        return;
    }
    if (!command_may_run()) {
        return;
    }
    warm_up(warm_ups, &crc);
    say_count("m-infer-start-", count);
    if (stamp_by_pulse && !each) {
        between_pulses(count, warm_ups, crc);
    } else {
        const uint64_t begin = bench_microseconds();
        if (!each) {
            stamp(begin);
        }
        const uint64_t units = measured(count, warm_ups, crc, each);
        if (!each) {
            /* Copying the input and checking the output are not inference: only its time counts. */
            stamp(begin + bench_units_as_microseconds(units));
        }
    }
    command_line("m-infer-done");
    if (each) {
        command_say_input_crc();
    } else {
        say_results();
    }
    command_say_output_crc();
}

static void infer(const words_t *words) {
    command_infer(words, 1, false);
}

const command_t bench_base_commands[] = {
    {"name", false, say_name},
    {"timestamp", false, timestamp},
    {"profile", false, profile},
    {"help", false, help},
    {"db", true, db},
    {"infer", true, infer},
    {"results", true, results},
    {NULL, false, NULL},
};
