/* MEAN, SUM and REDUCE_MAX, portable. */
#include "es_reduce.h"

void es_reduce(const es_reduce_params_t *p, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
               uint32_t y1) {
    es_reduce_any(p, in, out, y0, y1);
}

void es_reduce_sum(const es_reduce_params_t *p, const es_rows_t *in, const es_rows_t *out,
                   uint32_t *sums, uint32_t y0, uint32_t y1) {
    es_reduce_sum_any(p, in, out, sums, y0, y1);
}
