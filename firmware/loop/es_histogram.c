/* How often what was seen, in fixed memory. */
#include "es_histogram.h"

#include <string.h>

void es_histogram_clear(es_histogram_t *histogram) {
    memset(histogram->counts, 0, ES_HISTOGRAM_CLASSES(histogram->fine) * sizeof(uint32_t));
    histogram->total = 0;
    histogram->largest = 0;
}

/* Position of the highest bit that is set; `value` is not 0. */
static uint32_t highest_bit(uint32_t value) {
    uint32_t bit = 0;
    for (uint32_t step = 16; step != 0; step /= 2) {
        if (value >> step != 0) {
            value >>= step;
            bit += step;
        }
    }
    return bit;
}

static uint32_t class_of(uint32_t value, uint32_t fine) {
    if (value >> fine == 0) {
        return value;
    }
    const uint32_t shift = highest_bit(value) - fine;
    return (shift << fine) + (value >> shift);
}

static uint32_t middle_of(uint32_t index, uint32_t fine) {
    const uint32_t octave = index >> fine;
    if (octave < 2) {
        return index;
    }
    const uint32_t shift = octave - 1;
    return ((index - (shift << fine)) << shift) + (1u << (shift - 1));
}

void es_histogram_add(es_histogram_t *histogram, uint64_t value) {
    const uint32_t held = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    histogram->counts[class_of(held, histogram->fine)]++;
    histogram->total++;
    histogram->largest = held > histogram->largest ? held : histogram->largest;
}

uint32_t es_histogram_at(const es_histogram_t *histogram, uint32_t permille) {
    const uint64_t wanted = ((uint64_t)histogram->total * permille + 999) / 1000;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < ES_HISTOGRAM_CLASSES(histogram->fine); i++) {
        seen += histogram->counts[i];
        if (histogram->counts[i] != 0 && seen >= wanted) {
            const uint32_t middle = middle_of(i, histogram->fine);
            return middle < histogram->largest ? middle : histogram->largest;
        }
    }
    return 0;
}
