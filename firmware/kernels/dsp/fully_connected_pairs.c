/* FULLY_CONNECTED by pairs of output channels, for cores with SMLAD: the inner loops are in
 * fully_connected_pairs.S, their C twin is ../ref/fully_connected_pairs.c. */
#include "es_dense_pairs.h"

#include <stddef.h>

enum {
    BLOCK = ES_DENSE_BLOCK,
    QUAD = ES_DENSE_QUAD,
    PASS_QUADS = 8,
    WORTH_WIDENING = 4, /* blocks: widening a quad takes as long as three or four of them save */
};

_Static_assert(offsetof(es_dense_job_t, sums_end) == 44, "the .S knows it");

/* An input of whole quads, the last filled up: as bytes where it lies, or widened in `wide`. */
static void take_input(es_dense_job_t *job, const int8_t *x, uint32_t count, uint32_t block_count,
                       int16_t wide[ES_PAIRS_WIDE]) {
    const uint32_t quads = (count + QUAD - 1) / QUAD, whole = count / QUAD;
    const int is_wide = quads != whole || (count <= ES_PAIRS_WIDE && block_count >= WORTH_WIDENING);
    const uint32_t quad_bytes = is_wide ? QUAD * sizeof *wide : QUAD;
    const int8_t *from = x;

    if (is_wide) {
        if (whole > 0) {
            es_dense_widen(wide, x, whole);
        }
        if (quads != whole) {
            int8_t rest[QUAD] = {0};
            for (uint32_t i = 0; i < count % QUAD; i++) {
                rest[i] = x[whole * QUAD + i];
            }
            es_dense_widen(wide + whole * QUAD, rest, 1);
        }
        from = (const int8_t *)wide;
    }
    const uint32_t left = ((uintptr_t)from & 3) != 0 ? quads : quads % PASS_QUADS;
    job->x = from;
    job->end = from + quads * quad_bytes;
    if (left != 0) {
        job->body = from + left * quad_bytes;
        job->dot = is_wide ? es_dense_dot_halves : es_dense_dot_bytes;
    } else {
        job->body = job->end;
        job->dot = is_wide ? es_dense_dot_halves_passes : es_dense_dot_bytes_passes;
    }
}

/* Adds whole quads from tap `tap` on, a multiple of four; at most ES_DENSE_RUN taps. */
static void add_run(uint32_t *sums, uint32_t outputs, const int8_t *x, uint32_t count,
                    const int16_t *weights, uint32_t block_halves, uint32_t tap) {
    const uint32_t whole = outputs / BLOCK, rest = outputs % BLOCK;
    const uint32_t run_halves = count / QUAD * ES_DENSE_QUAD_HALVES;
    const int16_t *first = weights + tap / QUAD * ES_DENSE_QUAD_HALVES;
    _Alignas(4) int16_t wide[ES_PAIRS_WIDE];
    es_dense_job_t job;

    job.skip = (block_halves - run_halves) * (uint32_t)sizeof *weights;
    take_input(&job, x, count, whole, wide);
    if (whole > 0) {
        job.weights = first;
        job.sums = sums;
        job.sums_end = sums + whole * BLOCK;
        es_dense_sums(&job);
    }
    if (rest > 0) {
        uint32_t last[BLOCK] = {0};
        for (uint32_t i = 0; i < rest; i++) {
            last[i] = sums[whole * BLOCK + i];
        }
        job.weights = first + whole * block_halves;
        job.sums = last;
        job.sums_end = last + BLOCK;
        es_dense_sums(&job);
        for (uint32_t i = 0; i < rest; i++) {
            sums[whole * BLOCK + i] = last[i];
        }
    }
}

/* Adds the products of any `count` elements by the weights from tap `tap` on. */
static void add(uint32_t *sums, uint32_t outputs, const int8_t *x, uint32_t count,
                const int16_t *weights, uint32_t block_halves, uint32_t tap) {
    for (uint32_t done; count > 0; x += done, tap += done, count -= done) {
        const uint32_t to_quad = (0u - tap) % QUAD;

        if (to_quad == 0 && count >= QUAD) {
            done = count < ES_DENSE_RUN ? count / QUAD * QUAD : ES_DENSE_RUN;
            add_run(sums, outputs, x, done, weights, block_halves, tap);
        } else {
            done = to_quad != 0 && to_quad < count ? to_quad : count;
            es_dense_add_taps(sums, outputs, x, done, weights, block_halves, tap);
        }
    }
}

/* A row whose sums may leave 24 bits: in runs, block by block. */
static void long_row(const es_fully_connected_pairs_params_t *p, const int8_t *x, uint32_t depth,
                     int8_t *q, uint32_t outputs, const int16_t *weights,
                     const es_pairs_block_t *blocks) {
    const uint32_t halves = es_dense_block_halves(depth);

    for (uint32_t n = 0; n < outputs; n += BLOCK, blocks++, weights += halves) {
        const uint32_t count = outputs - n < BLOCK ? outputs - n : BLOCK;
        uint32_t sums[BLOCK];

        for (uint32_t i = 0; i < count; i++) {
            sums[i] = es_dense_start(blocks, i);
        }
        add(sums, count, x, depth, weights, halves, 0);
        for (uint32_t i = 0; i < count; i++) {
            q[n + i] = es_dense_finish(p, sums[i], blocks, i);
        }
    }
}

static void row(const es_fully_connected_pairs_params_t *p, const int8_t *x, uint32_t depth,
                int8_t *q, uint32_t outputs, const int16_t *weights,
                const es_pairs_block_t *blocks) {
    const uint32_t whole = outputs / BLOCK, rest = outputs % BLOCK;
    _Alignas(4) int16_t wide[ES_PAIRS_WIDE];
    es_dense_job_t job;

    job.addend = 1 + 2 * p->output_zero_point;
    take_input(&job, x, depth, whole, wide);
    if (whole > 0) {
        job.weights = weights;
        job.blocks = blocks;
        job.out = q;
        job.out_end = q + whole * BLOCK;
        es_dense_whole(&job);
    }
    if (rest > 0) {
        int8_t last[BLOCK];
        job.weights = weights + whole * es_dense_block_halves(depth);
        job.blocks = blocks + whole;
        job.out = last;
        job.out_end = last + BLOCK;
        es_dense_whole(&job);
        for (uint32_t i = 0; i < rest; i++) {
            q[whole * BLOCK + i] = last[i];
        }
    }
    if (p->act_min > INT8_MIN || p->act_max < INT8_MAX) {
        for (uint32_t i = 0; i < outputs; i++) {
            q[i] = (int8_t)es_clamp(q[i], p->act_min, p->act_max);
        }
    }
}

void es_fully_connected_pairs(const es_fully_connected_pairs_params_t *p, const es_rows_t *in,
                              const es_rows_t *out, const int16_t *weights,
                              const es_pairs_block_t *blocks, uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        int8_t *q = (int8_t *)es_row(out, y);

        if (p->is_long) {
            long_row(p, x, in->w * in->c, q, out->c, weights, blocks);
        } else {
            row(p, x, in->w * in->c, q, out->c, weights, blocks);
        }
    }
}

void es_fully_connected_pairs_sum(const es_fully_connected_pairs_params_t *p, const es_rows_t *in,
                                  const es_rows_t *out, const int16_t *weights,
                                  const es_pairs_block_t *blocks, uint32_t *sums, uint32_t y0,
                                  uint32_t y1) {
    const uint32_t run = in->w * in->c, halves = es_dense_block_halves(in->h * run);
    int8_t *q = (int8_t *)es_row(out, 0);

    for (uint32_t n = 0; y0 == 0 && n < out->c; n++) {
        sums[n] = es_dense_start(blocks, n);
    }
    for (uint32_t y = y0; y < y1; y++) {
        add(sums, out->c, (const int8_t *)es_row(in, y), run, weights, halves, y * run);
    }
    for (uint32_t n = 0; y1 == in->h && n < out->c; n++) {
        q[n] = es_dense_finish(p, sums[n], blocks, n);
    }
}
