/* A QEMU plugin that counts memory accesses between two functions of the guest: words loaded and
 * stored, where an instruction that moves several registers counts each of them.
 *
 *     -plugin qemu_words.so,enter=ADDRESS,leave=ADDRESS,out=FILE
 *
 * FILE gets a line for each time that `leave` is called after `enter`. QEMU's header for plugins is
 * in no package of Debian's: what is used of its interface (version 1) is declared here. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { NO_REGISTERS = 0, ADD_U64 = 0, READ_AND_WRITE = 3 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*made)(qemu_plugin_id_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_mem_inline(struct qemu_plugin_insn *instruction, int access,
                                          int operation, void *counter, uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            void (*executed)(unsigned, void *), int flags,
                                            void *context);

EXPORT int qemu_plugin_version = 1;

static uint64_t words, at_enter;
static uint64_t enter, leave;
static bool inside;
static FILE *out;

static void entered(unsigned cpu, void *context) {
    (void)cpu, (void)context;
    at_enter = words;
    inside = true;
}

static void left(unsigned cpu, void *context) {
    (void)cpu, (void)context;
    if (inside) {
        fprintf(out, "%llu\n", (unsigned long long)(words - at_enter));
        fflush(out);
    }
    inside = false;
}

static void made(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    const size_t count = qemu_plugin_tb_n_insns(block);
    (void)id;

    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);

        qemu_plugin_register_vcpu_mem_inline(instruction, READ_AND_WRITE, ADD_U64, &words, 1);
        if (address == enter) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, entered, NO_REGISTERS, NULL);
        } else if (address == leave) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, left, NO_REGISTERS, NULL);
        }
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                               char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "enter=", 6) == 0) {
            enter = strtoull(argv[i] + 6, NULL, 0);
        } else if (strncmp(argv[i], "leave=", 6) == 0) {
            leave = strtoull(argv[i] + 6, NULL, 0);
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (enter == 0 || leave == 0 || out == NULL) {
        fprintf(stderr, "qemu_words: enter=, leave= and out= are needed\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, made);
    return 0;
}
