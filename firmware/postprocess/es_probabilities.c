/* Probabilities of int8 scores, by table. */
#include "es_postprocess.h"

es_score_sum_t es_score_sum(const es_scores_t *scores, const int8_t *row) {
    es_score_sum_t total = {-128, 0};
    if (!scores->is_softmax) {
        return total;
    }
    for (uint32_t i = 0; i < scores->classes; i++) {
        total.largest = row[i] > total.largest ? row[i] : total.largest;
    }
    for (uint32_t i = 0; i < scores->classes; i++) {
        total.sum += scores->table[total.largest - row[i]];
    }
    return total;
}

uint32_t es_probability(const es_scores_t *scores, const es_score_sum_t *sum, int8_t score) {
    if (!scores->is_softmax) {
        return scores->table[score + 128];
    }
    const uint64_t exponential = scores->table[sum->largest - score];
    return (uint32_t)(((exponential << 16) + sum->sum / 2) / sum->sum);
}
