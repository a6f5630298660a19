/* ADD by a table, for cores with MVE: four elements at a time, the table gathered from. C twin:
 * ../ref/add_by_table.c. */
#include "es_kernels.h"

void es_add_by_table(const es_add_by_table_params_t *p, const es_rows_t *a, const es_rows_t *b,
                     const es_rows_t *out, const int32_t table[256], uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *x1 = es_row(a, y), *x2 = es_row(b, y);
        uint8_t *q = es_row(out, y);

        __asm volatile(
            "vdup.32 q4, %[multiplier]\n"
            "vdup.32 q5, %[low]\n"
            "vdup.32 q6, %[high]\n"
            "dlstp.32 lr, %[n]\n"
            "1: vldrb.u32 q0, [%[b]], #4\n"
            "vldrb.s32 q1, [%[a]], #4\n"
            "vldrw.u32 q2, [%[table], q0, uxtw #2]\n"
            "vshl.i32 q1, q1, #20\n"
            "vadd.i32 q1, q1, q2\n"
            "vshr.s32 q0, q1, #31\n"
            "vrmulh.s32 q1, q1, q4\n"
            "vadd.i32 q1, q1, %[addend]\n"
            "vadd.i32 q1, q1, q0\n"
            "vshl.s32 q1, %[shift]\n"
            "vmax.s32 q1, q1, q5\n"
            "vmin.s32 q1, q1, q6\n"
            "vstrb.32 q1, [%[q]], #4\n"
            "letp lr, 1b\n"
            : [a] "+l"(x1), [b] "+l"(x2), [q] "+l"(q)
            : [table] "r"(table), [multiplier] "r"(p->multiplier), [low] "r"(p->act_min),
              [high] "r"(p->act_max), [n] "r"(n), [addend] "r"(p->addend), [shift] "r"(-p->exponent)
            : "lr", "d0", "d1", "d2", "d3", "d4", "d5", "d8", "d9", "d10", "d11", "d12", "d13",
              "memory");
    }
}
