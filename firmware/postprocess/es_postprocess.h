/* edgeserve: what a model's int8 answers mean.
 *
 * Probabilities and coordinates have 16 fractional bits: 65536 is 1. The host has put everything
 * that an int8 can mean into tables, so nothing here computes an exponential or needs a float. The
 * arithmetic is that of edgeserve's postprocess package, bit for bit. A bundle with a declaration
 * has its tables in postprocess.h, MODEL_POSTPROCESS. */
#ifndef ES_POSTPROCESS_H
#define ES_POSTPROCESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ES_POSTPROCESS_CLASSES 1
#define ES_POSTPROCESS_BOXES   2

/* Scores of some classes. table[q + 128] is the probability of the score q; for softmax table[d] is
 * exp() in Q24 of a score that is d below the largest. */
typedef struct es_scores {
    const uint32_t *table;
    uint16_t classes;
    uint8_t is_softmax;
} es_scores_t;

/* What all classes' scores share: for softmax the largest score and the sum of exponentials. */
typedef struct es_score_sum {
    int32_t largest;
    uint64_t sum;
} es_score_sum_t;

es_score_sum_t es_score_sum(const es_scores_t *scores, const int8_t *row);
uint32_t es_probability(const es_scores_t *scores, const es_score_sum_t *sum, int8_t score);

enum { ES_NONE_OF_THESE = -1 };

typedef struct es_class {
    int32_t index; /* or ES_NONE_OF_THESE */
    uint32_t probability;
} es_class_t;

typedef struct es_classes_back {
    es_scores_t scores;
    uint32_t top; /* at most so many are told */
    uint32_t threshold;
} es_classes_back_t;

/* Writes the classes that reach the threshold, most probable first, equal ones by rising index, and
 * returns how many: 1 to back->top. When none does, found[0] is ES_NONE_OF_THESE with the
 * probability of the best. */
uint32_t es_postprocess_classes(const es_classes_back_t *back, const int8_t *scores,
                                es_class_t *found);

typedef struct es_box {
    int32_t top, left, bottom, right; /* of the picture's height and width, 0..65536 */
    uint32_t index;                   /* of the class */
    uint32_t probability;
} es_box_t;

typedef struct es_boxes_back {
    es_scores_t scores;
    const int32_t *coordinates; /* of each int8 + 128 */
    uint32_t count;
    uint32_t most;
    uint32_t threshold;
    uint32_t overlap;
    uint8_t is_centre; /* x, y, width, height; else top, left, bottom, right */
    uint8_t has_background;
    uint8_t per_class;
} es_boxes_back_t;

/* What scratch takes, aligned to 4. */
#define ES_BOXES_SCRATCH_BYTES(count) ((count) * 8u)

/* Boxes after non-maximum suppression, most probable first, equal ones by rising index; returns how
 * many, at most back->most. */
uint32_t es_postprocess_boxes(const es_boxes_back_t *back, const int8_t *boxes,
                              const int8_t *scores, es_box_t *found, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
