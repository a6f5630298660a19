/* TRANSPOSE_CONV for cores with SMLAD: four elements of four lanes at a time. */
#include "es_dsp.h"
#include "es_transposed.h"

/* Two elements of a quad: the first's weights are in q, the second's in s, a byte a lane. */
#define TWO_ELEMENTS                                                                               \
    "sxtb16 %[u], %[q], ror #8\n"                                                                  \
    "sxtb16 %[q], %[q]\n"                                                                          \
    "sxtb16 %[v], %[s], ror #8\n"                                                                  \
    "sxtb16 %[s], %[s]\n"                                                                          \
    "pkhbt %[z], %[q], %[s], lsl #16\n"                                                            \
    "pkhtb %[s], %[s], %[q], asr #16\n"                                                            \
    "smlad %[a0], %[t], %[z], %[a0]\n"                                                             \
    "pkhbt %[q], %[u], %[v], lsl #16\n"                                                            \
    "smlad %[a2], %[t], %[s], %[a2]\n"                                                             \
    "pkhtb %[v], %[v], %[u], asr #16\n"                                                            \
    "smlad %[a1], %[t], %[q], %[a1]\n"                                                             \
    "smlad %[a3], %[t], %[v], %[a3]\n"

/* In C there are not registers enough: it takes a third more. */
#define QUAD                                                                                       \
    "ldr %[t], [%[x]]\n"                                                                           \
    "ldr %[q], [%[w]], #4\n"                                                                       \
    "ldr %[s], [%[w], #4]\n"                                                                       \
    "sxtab16 %[t], %[offsets], %[t]\n" TWO_ELEMENTS "ldr %[t], [%[x]], #4\n"                       \
    "ldr %[q], [%[w]], #12\n"                                                                      \
    "ldr %[s], [%[w], #-4]\n"                                                                      \
    "sxtab16 %[t], %[offsets], %[t], ror #8\n" TWO_ELEMENTS

static void add_to_four(uint32_t acc[4], const int8_t *x, uint32_t run, const int8_t *w,
                        int32_t offset) {
    const uint32_t offsets = ((uint32_t)offset & 0xFFFFu) | (uint32_t)offset << 16;
    const int8_t *const end = x + run, *const quads_end = x + (run & ~3u);
    uint32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3], t, q, s, u, v, z;

    while (x != quads_end) {
        __asm volatile(
            QUAD
            : [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [x] "+r"(x), [w] "+r"(w),
              [t] "=&r"(t), [q] "=&r"(q), [s] "=&r"(s), [u] "=&r"(u), [v] "=&r"(v), [z] "=&r"(z)
            : [offsets] "r"(offsets)
            : "memory");
    }
    for (; x != end; x++, w += 4) {
        const int32_t value = *x + offset;
        a0 += (uint32_t)(value * w[0]);
        a1 += (uint32_t)(value * w[1]);
        a2 += (uint32_t)(value * w[2]);
        a3 += (uint32_t)(value * w[3]);
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}

/* One lane: its weights lie like the elements. */
static uint32_t added_to_one(uint32_t acc, const int8_t *x, uint32_t run, const int8_t *w,
                             int32_t offset) {
    const uint32_t offsets = ((uint32_t)offset & 0xFFFFu) | (uint32_t)offset << 16;
    const int8_t *const end = x + run, *const quads_end = x + (run & ~3u);

    for (; x != quads_end; x += 4, w += 4) {
        const uint32_t elements = es_load_word(x), weights = es_load_word(w);

        acc = es_smlad(es_sxtab16(offsets, elements), es_sxtb16(weights), acc);
        acc = es_smlad(es_sxtab16_odd(offsets, elements), es_sxtb16_odd(weights), acc);
    }
    for (; x != end; x++, w++) {
        acc += (uint32_t)((*x + offset) * *w);
    }
    return acc;
}

void es_transposed_add_run(es_lanes_t *l, const int8_t *x, uint32_t run, const int8_t *w,
                           int32_t offset) {
    if (l->count == 4) {
        add_to_four(l->acc, x, run, w, offset);
    } else {
        l->acc[0] = added_to_one(l->acc[0], x, run, w, offset);
    }
}

void es_transpose_conv(const es_transpose_conv_params_t *p, const es_transpose_conv_blobs_t *blobs,
                       const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    es_transposed_rows(p, blobs, in, out, y0, y1);
}
