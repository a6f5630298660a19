/* When the frames of a replay arrive, in virtual ticks. */
#include "bench_arrivals.h"

enum { LN2_Q16 = 45426 };

/* -ln of the middles of 64 equal parts of [1/2, 1), with 16 fractional bits. */
static const uint16_t minus_log[64] = {
    44916, 43908, 42915, 41937, 40973, 40023, 39087, 38164, 37254, 36356, 35470, 34596, 33734,
    32883, 32043, 31213, 30394, 29585, 28786, 27996, 27216, 26445, 25683, 24929, 24185, 23448,
    22720, 22000, 21288, 20583, 19886, 19196, 18513, 17837, 17169, 16507, 15851, 15202, 14560,
    13924, 13294, 12669, 12051, 11439, 10832, 10231, 9635,  9044,  8459,  7879,  7304,  6734,
    6169,  5609,  5054,  4503,  3957,  3415,  2878,  2345,  1817,  1293,  773,   257};

static generator_t generator;

/* Marsaglia's xorshift32. */
static uint32_t draw(void) {
    uint32_t x = generator.state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return generator.state = x;
}

/* -ln of a uniform number: its leading zeros times ln 2, and a table for the six bits after its
 * first one. */
static uint64_t exponential(void) {
    uint32_t x = draw(), zeros = 0;
    for (; (x & 0x80000000u) == 0; x <<= 1) {
        zeros++;
    }
    return (uint64_t)generator.period * (zeros * LN2_Q16 + minus_log[x >> 25 & 63]) >> 16;
}

static uint64_t next_time(void) {
    if (generator.spread_permille == ARRIVALS_RANDOM) {
        return generator.at += exponential();
    }
    const uint64_t half = (uint64_t)generator.period * generator.spread_permille / 1000;
    generator.at += generator.period;
    return generator.at - half + (draw() * (2 * half + 1) >> 32);
}

void arrivals_generate(const generator_t *setup) {
    generator = *setup;
}

bool arrivals_next(arrival_t *next) {
    *next = (arrival_t){.at = next_time(), .ticks = 0};
    return true;
}
