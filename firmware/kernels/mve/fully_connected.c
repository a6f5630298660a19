/* FULLY_CONNECTED for cores with MVE, with the portable kernel's weights. */
#include "es_fully_connected.h"

void es_dot_four(const int8_t *x, uint32_t run, const int8_t *w, uint32_t depth, uint32_t acc[4]) {
    const int8_t *w1 = w + depth, *w2 = w1 + depth, *w3 = w2 + depth;
    register uint32_t a0 __asm("r2") = acc[0];
    register uint32_t a1 __asm("r4") = acc[1];
    register uint32_t a2 __asm("r6") = acc[2];
    register uint32_t a3 __asm("r8") = acc[3];

    __asm volatile("dlstp.8 lr, %[run]\n"
                   "1: vldrb.8 q0, [%[x]], #16\n"
                   "vldrb.8 q1, [%[w]], #16\n"
                   "vmladava.s8 %[a0], q0, q1\n"
                   "vldrb.8 q2, [%[w1]], #16\n"
                   "vmladava.s8 %[a1], q0, q2\n"
                   "vldrb.8 q3, [%[w2]], #16\n"
                   "vmladava.s8 %[a2], q0, q3\n"
                   "vldrb.8 q1, [%[w3]], #16\n"
                   "vmladava.s8 %[a3], q0, q1\n"
                   "letp lr, 1b\n"
                   : [x] "+r"(x), [w] "+r"(w), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3),
                     [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3)
                   : [run] "r"(run)
                   : "lr", "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "memory");
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}

uint32_t es_dot(const int8_t *x, uint32_t run, const int8_t *w, uint32_t acc) {
    register uint32_t sum __asm("r2") = acc;

    __asm volatile("dlstp.8 lr, %[run]\n"
                   "1: vldrb.8 q0, [%[x]], #16\n"
                   "vldrb.8 q1, [%[w]], #16\n"
                   "vmladava.s8 %[sum], q0, q1\n"
                   "letp lr, 1b\n"
                   : [x] "+r"(x), [w] "+r"(w), [sum] "+r"(sum)
                   : [run] "r"(run)
                   : "lr", "d0", "d1", "d2", "d3", "memory");
    return sum;
}

void es_fully_connected(const es_fully_connected_params_t *p, const es_rows_t *in,
                        const es_rows_t *out, const int8_t *weights, const es_channel_t *channels,
                        uint32_t y0, uint32_t y1) {
    es_fully_connected_rows(p, in, out, weights, channels, y0, y1);
}

void es_fully_connected_sum(const es_fully_connected_params_t *p, const es_rows_t *in,
                            const es_rows_t *out, const int8_t *weights,
                            const es_channel_t *channels, uint32_t *sums, uint32_t y0,
                            uint32_t y1) {
    es_fully_connected_sum_rows(p, in, out, weights, channels, sums, y0, y1);
}
