/* The most probable classes. */
#include "es_postprocess.h"

/* Puts a class into the sorted list, behind its equals; what falls out at the end is lost. */
static uint32_t insert(es_class_t *found, uint32_t count, uint32_t most, es_class_t one) {
    uint32_t at = count < most ? count : most;

    while (at > 0 && found[at - 1].probability < one.probability) {
        if (at < most) {
            found[at] = found[at - 1];
        }
        at--;
    }
    if (at < most) {
        found[at] = one;
    }
    return count < most ? count + 1 : most;
}

uint32_t es_postprocess_classes(const es_classes_back_t *back, const int8_t *scores,
                                es_class_t *found) {
    const es_score_sum_t sum = es_score_sum(&back->scores, scores);
    uint32_t count = 0;

    for (uint32_t i = 0; i < back->scores.classes; i++) {
        const uint32_t probability = es_probability(&back->scores, &sum, scores[i]);
        count = insert(found, count, back->top, (es_class_t){(int32_t)i, probability});
    }
    while (count > 1 && found[count - 1].probability < back->threshold) {
        count--;
    }
    if (found[0].probability < back->threshold) {
        found[0].index = ES_NONE_OF_THESE;
    }
    return count;
}
