/* MUL for cores with SMMLAR. */
#include "es_broadcast.h"
#include "es_kernels.h"

/* One element of a line: the inputs less their zero points, the first twice, so that the upper half
 * of their product by the multiplier rounds where es_doubling_high_mul() does. Ties go away from
 * zero by the sign of the first product: where that is not the sign of the second, the second is 0,
 * and no tie. */
#define ELEMENT                                                                                    \
    "ldrsb %[x], [%[a]]\n"                                                                         \
    "ldrsb %[y], [%[b]]\n"                                                                         \
    "add %[a], %[a], %[a_step]\n"                                                                  \
    "add %[b], %[b], %[b_step]\n"                                                                  \
    "add %[x], %[offset_1], %[x], lsl #1\n"                                                        \
    "add %[y], %[y], %[offset_2]\n"                                                                \
    "mul %[x], %[x], %[y]\n"                                                                       \
    "smmlar %[y], %[x], %[multiplier], %[addend]\n"                                                \
    "add %[y], %[y], %[x], asr #31\n"                                                              \
    "asr %[y], %[y], %[exponent]\n"                                                                \
    "ssat %[y], #8, %[y]\n"                                                                        \
    "strb %[y], [%[out]], #1\n"

#define MUL(elements)                                                                              \
    __asm volatile(elements                                                                        \
                   : [a] "+r"(a), [b] "+r"(b), [out] "+r"(out), [x] "=&r"(x), [y] "=&r"(y)         \
                   : [a_step] "r"(a_step), [b_step] "r"(b_step), [offset_1] "r"(offset_1),         \
                     [offset_2] "r"(offset_2), [multiplier] "r"(multiplier), [addend] "r"(addend), \
                     [exponent] "r"(exponent)                                                      \
                   : "memory")

/* Beyond it a zero point times a power of two is no int32. */
enum { MOST_EXPONENT = 22 };

static void mul_line(const es_mul_params_t *p, const es_line_t *line) {
    const uint32_t exponent = (uint32_t)-p->output_shift;
    const uint32_t zero_point = (uint32_t)p->output_zero_point;
    const uint32_t addend = (zero_point << exponent) + ((uint32_t)1 << (exponent - 1));
    const int32_t offset_1 = 2 * p->offset_1, offset_2 = p->offset_2;
    const int32_t multiplier = p->output_multiplier;
    const uint32_t a_step = line->a_step, b_step = line->b_step;
    const int8_t *a = line->a, *b = line->b;
    int8_t *out = line->out, *const end = out + line->n, *const passes_end = out + line->n / 4 * 4;
    int32_t x, y;

    while (out != passes_end) {
        MUL(ELEMENT ELEMENT ELEMENT ELEMENT);
    }
    while (out != end) {
        MUL(ELEMENT);
    }
    if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
        for (out = line->out; out != end; out++) {
            *out = (int8_t)es_clamp(*out, p->act_min, p->act_max);
        }
    }
}

/* By any power of two. */
static void mul_line_slowly(const es_mul_params_t *p, const es_line_t *line) {
    for (uint32_t i = 0; i < line->n; i++) {
        const int32_t a = line->a[i * line->a_step], b = line->b[i * line->b_step];
        const int32_t q = es_requantize((a + p->offset_1) * (b + p->offset_2), p->output_multiplier,
                                        p->output_shift);
        line->out[i] =
            (int8_t)es_clamp(es_wrapping_add(q, p->output_zero_point), p->act_min, p->act_max);
    }
}

void es_mul(const es_mul_params_t *p, const es_rows_t *a, const es_rows_t *b, const es_rows_t *out,
            uint32_t y0, uint32_t y1) {
    const uint32_t lines = es_line_count(a, b, out);
    const int is_quick = p->output_shift < 0 && p->output_shift >= -MOST_EXPONENT;

    for (uint32_t y = y0; y < y1; y++) {
        for (uint32_t x = 0; x < lines; x++) {
            const es_line_t line = es_line_at(a, b, out, y, x, lines);
            if (is_quick) {
                mul_line(p, &line);
            } else {
                mul_line_slowly(p, &line);
            }
        }
    }
}
