/* ADD by a table, for cores with SMMLAR. C twin: ../ref/add_by_table.c. */
#include "es_kernels.h"

/* One element. In C it takes a third more: neighbouring bytes are put together to be stored. */
#define ELEMENT                                                                                    \
    "ldrsb %[x], [%[a]], #1\n"                                                                     \
    "ldrb %[sum], [%[b]], #1\n"                                                                    \
    "ldr %[sum], [%[table], %[sum], lsl #2]\n"                                                     \
    "add %[sum], %[sum], %[x], lsl #20\n"                                                          \
    "smmlar %[x], %[sum], %[multiplier], %[addend]\n"                                              \
    "add %[x], %[x], %[sum], asr #31\n"                                                            \
    "asr %[x], %[x], %[exponent]\n"                                                                \
    "ssat %[x], #8, %[x]\n"                                                                        \
    "strb %[x], [%[q]], #1\n"

#define ADD(elements)                                                                              \
    __asm volatile(elements                                                                        \
                   : [a] "+r"(a), [b] "+r"(b), [q] "+r"(q), [x] "=&r"(x), [sum] "=&r"(sum)         \
                   : [table] "r"(table), [multiplier] "r"(multiplier), [addend] "r"(addend),       \
                     [exponent] "r"(exponent)                                                      \
                   : "memory")

static void add_row(const es_add_by_table_params_t *p, const int8_t *a, const int8_t *b, int8_t *q,
                    uint32_t n, const int32_t table[256]) {
    const int8_t *const end = q + n, *const passes_end = q + n / 8 * 8;
    const int32_t multiplier = p->multiplier, addend = p->addend, exponent = p->exponent;
    int32_t x, sum;

    while (q != passes_end) {
        ADD(ELEMENT ELEMENT ELEMENT ELEMENT ELEMENT ELEMENT ELEMENT ELEMENT);
    }
    while (q != end) {
        ADD(ELEMENT);
    }
}

void es_add_by_table(const es_add_by_table_params_t *p, const es_rows_t *a, const es_rows_t *b,
                     const es_rows_t *out, const int32_t table[256], uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        int8_t *q = (int8_t *)es_row(out, y);

        add_row(p, (const int8_t *)es_row(a, y), (const int8_t *)es_row(b, y), q, n, table);
        if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
            for (uint32_t i = 0; i < n; i++) {
                q[i] = (int8_t)es_clamp(q[i], p->act_min, p->act_max);
            }
        }
    }
}
