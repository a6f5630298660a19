/* Detection boxes with non-maximum suppression. */
#include "es_postprocess.h"

enum { ONE = 1 << 16, GONE = 0xFFFF };

/* A box that may be told: its most probable class, or GONE. */
typedef struct candidate {
    uint32_t probability;
    uint16_t index;
} candidate_t;

_Static_assert(sizeof(candidate_t) == 8, "ES_BOXES_SCRATCH_BYTES counts on it");

static candidate_t best_class(const es_boxes_back_t *back, const int8_t *row) {
    const es_score_sum_t sum = es_score_sum(&back->scores, row);
    candidate_t best = {0, GONE};

    for (uint32_t i = back->has_background ? 1 : 0; i < back->scores.classes; i++) {
        const uint32_t probability = es_probability(&back->scores, &sum, row[i]);
        if (best.index == GONE || probability > best.probability) {
            best = (candidate_t){probability, (uint16_t)i};
        }
    }
    if (best.probability < back->threshold) {
        best.index = GONE;
    }
    return best;
}

static int32_t within(int32_t at) {
    return at < 0 ? 0 : at > ONE ? ONE : at;
}

static es_box_t corners(const es_boxes_back_t *back, const int8_t *four) {
    int32_t at[4];
    for (int i = 0; i < 4; i++) {
        at[i] = back->coordinates[four[i] + 128];
    }
    es_box_t box = {at[0], at[1], at[2], at[3], 0, 0};
    if (back->is_centre) {
        box.top = at[1] - (at[3] >> 1);
        box.left = at[0] - (at[2] >> 1);
        box.bottom = box.top + at[3];
        box.right = box.left + at[2];
    }
    box.top = within(box.top);
    box.left = within(box.left);
    box.bottom = within(box.bottom) > box.top ? within(box.bottom) : box.top;
    box.right = within(box.right) > box.left ? within(box.right) : box.left;
    return box;
}

static int64_t area(const es_box_t *box) {
    return (int64_t)(box->bottom - box->top) * (box->right - box->left);
}

static int32_t least(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static int32_t greatest(int32_t a, int32_t b) {
    return a > b ? a : b;
}

static int suppresses(const es_boxes_back_t *back, const es_box_t *kept, const es_box_t *other) {
    const int32_t height = least(kept->bottom, other->bottom) - greatest(kept->top, other->top);
    const int32_t width = least(kept->right, other->right) - greatest(kept->left, other->left);
    const int64_t shared = (int64_t)greatest(height, 0) * greatest(width, 0);

    if (back->per_class && kept->index != other->index) {
        return 0;
    }
    return shared << 16 > back->overlap * (area(kept) + area(other) - shared);
}

/* The most probable candidate that is left, or `count`. */
static uint32_t most_probable(const candidate_t *candidates, uint32_t count) {
    uint32_t best = count;
    for (uint32_t i = 0; i < count; i++) {
        if (candidates[i].index != GONE &&
            (best == count || candidates[i].probability > candidates[best].probability)) {
            best = i;
        }
    }
    return best;
}

static int is_kept(const es_boxes_back_t *back, const es_box_t *found, uint32_t count,
                   const es_box_t *box) {
    for (uint32_t i = 0; i < count; i++) {
        if (suppresses(back, &found[i], box)) {
            return 0;
        }
    }
    return 1;
}

uint32_t es_postprocess_boxes(const es_boxes_back_t *back, const int8_t *boxes,
                              const int8_t *scores, es_box_t *found, void *scratch) {
    candidate_t *candidates = scratch;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < back->count; i++) {
        candidates[i] = best_class(back, scores + i * back->scores.classes);
    }
    for (uint32_t i;
         kept < back->most && (i = most_probable(candidates, back->count)) < back->count;
         candidates[i].index = GONE) {
        es_box_t box = corners(back, boxes + i * 4);
        box.index = candidates[i].index;
        box.probability = candidates[i].probability;
        if (is_kept(back, found, kept, &box)) {
            found[kept++] = box;
        }
    }
    return kept;
}
