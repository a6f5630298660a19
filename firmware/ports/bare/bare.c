/* Memory as the linker script laid it out, and last words. */
#include "bare.h"

#include "es_port.h"

#include <string.h>

extern uint8_t es_data_start[], es_data_end[], es_data_load[];
extern uint8_t es_bss_start[], es_bss_end[];
extern uint8_t es_partition_start[], es_partition_bytes[];

void bare_load_variables(void) {
    memcpy(es_data_start, es_data_load, (size_t)(es_data_end - es_data_start));
    memset(es_bss_start, 0, (size_t)(es_bss_end - es_bss_start));
}

/* Memory holds anything when power comes: a record is one when its check says so. The linker
 * script puts it where nothing is cleared. */
static struct {
    es_port_crash_t crash;
    uint32_t check;
} kept __attribute__((section(".bss.kept")));

static es_port_crash_t last;

static uint32_t check_of(const es_port_crash_t *crash) {
    return 0x45534352u ^ (uint32_t)crash->cause ^ (crash->pc << 7 | crash->pc >> 25) ^
           (crash->mark << 13 | crash->mark >> 19);
}

void bare_keep_crash(es_port_cause_t cause, uint32_t pc) {
    if (kept.crash.cause == ES_PORT_NO_CRASH) {
        kept.crash.cause = cause;
        kept.crash.pc = pc;
        kept.check = check_of(&kept.crash);
    }
}

void bare_take_crash(void) {
    if (kept.check == check_of(&kept.crash)) {
        last = kept.crash;
    }
    memset(&kept, 0, sizeof kept);
}

void es_port_mark(uint32_t mark) {
    kept.crash.mark = mark;
}

es_port_crash_t es_port_last_crash(void) {
    return last;
}

es_port_stack_t es_port_stack(void) {
    const es_port_stack_t stack = {es_stack_low, es_stack_high};
    return stack;
}

const void *es_port_partition(size_t *bytes) {
    *bytes = (size_t)(uintptr_t)es_partition_bytes;
    return es_partition_start;
}

char *bare_put(char *out, const char *text) {
    while (*text != '\0') {
        *out++ = *text++;
    }
    return out;
}

char *bare_put_hex(char *out, uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4) {
        *out++ = "0123456789abcdef"[value >> shift & 15];
    }
    return out;
}

void bare_complain(const char *reason) {
    bare_keep_crash(ES_PORT_FATAL, 0);
    es_port_write('e'), es_port_write('-'), es_port_write('[');
    for (; *reason != '\0'; reason++) {
        es_port_write(*reason);
    }
    es_port_write(']'), es_port_write('\r'), es_port_write('\n');
    es_port_flush();
}
