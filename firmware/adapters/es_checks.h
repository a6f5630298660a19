/* Questions that several adapters ask of a record. */
#ifndef ES_CHECKS_H
#define ES_CHECKS_H

#include "es_adapter.h"

static inline int es_is_between(int32_t value, int32_t low, int32_t high) {
    return value >= low && value <= high;
}

/* A power of two that es_requantize() can shift by. */
static inline int es_is_shift(int32_t shift) {
    return es_is_between(shift, -31, 30);
}

/* A zero point of an 8-bit type, or one with its sign turned. */
static inline int es_is_offset(int32_t offset) {
    return es_is_between(offset, -256, 256);
}

/* True when row y of one is as long as row y of the other, element for element. */
static inline int es_same_rows(const es_operand_record_t *a, const es_operand_record_t *b) {
    return a->h == b->h && es_row_elements(a) == es_row_elements(b);
}

static inline int es_same_extents(const es_operand_record_t *a, const es_operand_record_t *b) {
    return ((es_two_at(a, offsetof(es_operand_record_t, w)) ^
             es_two_at(b, offsetof(es_operand_record_t, w))) |
            (a->c ^ b->c)) == 0;
}

/* True when a ring may hold all rows that a window of `rows` sees at once: half of the window may
 * hang over an edge of the image. It also bounds the work of a window by the memory behind it,
 * whatever height a damaged record claims. */
static inline int es_may_hold_window(const es_operand_record_t *in, uint32_t rows) {
    return in->depth == in->h || rows <= 2u * in->depth;
}

/* True for two inputs and an output of one type of which each input extent is the output's, or 1.
 */
static inline int es_is_binary_of(const es_step_record_t *step, const es_operand_record_t *operands,
                                  es_dtype_t dtype) {
    if (!es_has_types(step, operands, 2, dtype, dtype)) {
        return 0;
    }
    const es_operand_record_t *out = &operands[2];
    for (uint32_t i = 0; i < 2; i++) {
        const es_operand_record_t *in = &operands[i];
        if ((in->h != 1 && in->h != out->h) || (in->w != 1 && in->w != out->w) ||
            (in->c != 1 && in->c != out->c)) {
            return 0;
        }
    }
    return 1;
}

static inline int es_is_binary(const es_step_record_t *step, const es_operand_record_t *operands) {
    return es_is_binary_of(step, operands, ES_INT8);
}

/* The product of `dims` where it is 1 to `limit`; 0 where it is not. */
static inline uint32_t es_product(const uint32_t *dims, uint32_t count, uint32_t limit) {
    uint64_t product = 1;

    for (uint32_t i = 0; i < count; i++) {
        product *= dims[i];
        if (product - 1 >= limit) {
            return 0;
        }
    }
    return (uint32_t)product;
}

/* The least and greatest of sum(index * stride): grows *low and *high by them. The caller has
 * bounded the product of the dims by 2^32, so nothing overflows. */
static inline void es_reach(const uint32_t *dims, const int32_t *strides, uint32_t count,
                            int64_t *low, int64_t *high) {
    for (uint32_t i = 0; i < count; i++) {
        int64_t far = (int64_t)(dims[i] - 1) * strides[i];
        const int64_t limit = (int64_t)1 << 40; /* far beyond any operand: keeps the sums small */
        far = far > limit ? limit : far < -limit ? -limit : far;
        *(far < 0 ? low : high) += far;
    }
}

/* The greatest of sum(index * stride) over a box of fewer than 2^32 elements, whose indices sum up
 * to less than that. A negative stride goes far beyond any operand. */
static inline uint64_t es_far(const uint32_t dims[3], const int32_t strides[3]) {
    uint64_t far = 0;

    for (uint32_t i = 0; i < 3; i++) {
        far += (uint64_t)(dims[i] - 1) * (uint32_t)strides[i];
    }
    return far;
}

/* True when kept and reduced dimensions walk over a dense first input and make the output's rows.
 */
static inline es_status_t es_check_boxes(const es_operand_record_t *operands,
                                         const uint32_t kept_dims[3], const int32_t kept_strides[3],
                                         const uint32_t reduced_dims[3],
                                         const int32_t reduced_strides[3]) {
    const es_operand_record_t *in = &operands[0];
    const es_operand_record_t *out = &operands[1];
    const uint64_t total = (uint64_t)es_row_elements(in) * in->h;
    const uint32_t row = es_row_elements(out);
    if (!es_is_dense(in) || kept_dims[0] != out->h || total > INT32_MAX ||
        es_product(kept_dims + 1, 2, row) != row ||
        es_product(reduced_dims, 3, (uint32_t)total) == 0) {
        return ES_BAD_RECORD;
    }
    const uint64_t kept = es_far(kept_dims, kept_strides);
    const uint64_t reduced = es_far(reduced_dims, reduced_strides);
    return kept < total && reduced < total - kept ? ES_OK : ES_OUT_OF_BOUNDS;
}

#endif
