/* log2 in fixed point. */
#include "es_log2.h"

const uint32_t es_log2_table[ES_LOG2_STEPS + 1] = {
    0,     736,   1466,  2190,  2909,  3623,  4331,  5034,  5732,  6425,  7112,  7795,  8473,
    9146,  9814,  10477, 11136, 11791, 12440, 13086, 13727, 14363, 14996, 15624, 16248, 16868,
    17484, 18096, 18704, 19308, 19909, 20505, 21098, 21687, 22272, 22854, 23433, 24007, 24579,
    25146, 25711, 26272, 26830, 27384, 27936, 28484, 29029, 29571, 30109, 30645, 31178, 31707,
    32234, 32758, 33279, 33797, 34312, 34825, 35334, 35841, 36346, 36847, 37346, 37842, 38336,
    38827, 39316, 39802, 40286, 40767, 41246, 41722, 42196, 42667, 43137, 43603, 44068, 44530,
    44990, 45448, 45904, 46357, 46809, 47258, 47705, 48150, 48593, 49034, 49472, 49909, 50344,
    50776, 51207, 51636, 52063, 52488, 52911, 53332, 53751, 54169, 54584, 54998, 55410, 55820,
    56229, 56635, 57040, 57443, 57845, 58245, 58643, 59039, 59434, 59827, 60219, 60609, 60997,
    61384, 61769, 62152, 62534, 62915, 63294, 63671, 64047, 64421, 64794, 65166, 65536,
};

/* The number of the highest bit that is set. */
static uint32_t highest_bit(uint64_t value) {
    uint32_t bit = 0;
    for (uint32_t step = 32; step > 0; step >>= 1) {
        if (value >> step != 0) {
            value >>= step;
            bit += step;
        }
    }
    return bit;
}

int32_t es_log2(uint64_t value) {
    const uint32_t octave = highest_bit(value);
    /* 31 bits behind the leading one: 7 choose a step, 24 lie within it. */
    const uint64_t left = value << (63 - octave);
    const uint32_t fraction = (uint32_t)(left >> 32) & 0x7FFFFFFFu;
    const uint32_t step = fraction >> 24, within = fraction & 0xFFFFFFu;
    const uint32_t low = es_log2_table[step];
    const uint64_t rise = es_log2_table[step + 1] - low;
    return (int32_t)((octave << 16) + low + (uint32_t)((rise * within + (1u << 23)) >> 24));
}
