/* Instructions of the DSP extension that C has no word for. Halves are the lower and the upper
 * sixteen bits of a word. */
#ifndef ES_DSP_H
#define ES_DSP_H

#include <stdint.h>
#include <string.h>

static inline uint32_t es_load_word(const void *at) {
    uint32_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/* Bytes 0 and 2 of a word, widened. */
static inline uint32_t es_sxtb16(uint32_t bytes) {
    uint32_t halves;

    __asm("sxtb16 %0, %1" : "=r"(halves) : "r"(bytes));
    return halves;
}

/* Bytes 1 and 3. */
static inline uint32_t es_sxtb16_odd(uint32_t bytes) {
    uint32_t halves;

    __asm("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(bytes));
    return halves;
}

/* The same, added to the halves of `to`. */
static inline uint32_t es_sxtab16(uint32_t to, uint32_t bytes) {
    uint32_t halves;

    __asm("sxtab16 %0, %1, %2" : "=r"(halves) : "r"(to), "r"(bytes));
    return halves;
}

static inline uint32_t es_sxtab16_odd(uint32_t to, uint32_t bytes) {
    uint32_t halves;

    __asm("sxtab16 %0, %1, %2, ror #8" : "=r"(halves) : "r"(to), "r"(bytes));
    return halves;
}

/* sum + the products of the lower halves and of the upper ones. */
static inline uint32_t es_smlad(uint32_t a, uint32_t b, uint32_t sum) {
    uint32_t result;

    __asm("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

#endif
