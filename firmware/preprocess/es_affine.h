/* The last step of every front. */
#ifndef ES_AFFINE_H
#define ES_AFFINE_H

#include "es_preprocess.h"

/* |level| < 2^28 and |bias| < 2^62, so that the sum fits. */
static inline int8_t es_affine_int8(const es_affine_t *affine, int32_t level) {
    const int64_t value = ((int64_t)level * affine->multiplier + affine->bias) >> affine->shift;
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
}

#endif
