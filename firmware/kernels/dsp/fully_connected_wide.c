/* FULLY_CONNECTED with wide weights, for cores with SMLAD: the inner loops are in
 * fully_connected_wide.S, their C twin is ../ref/fully_connected_wide.c. */
#include "es_wide_job.h"

#include <stddef.h>

enum {
    BLOCK = ES_WIDE_BLOCK,
    QUAD = ES_WIDE_QUAD,
    PASS_QUADS = 8,
    WORTH_WIDENING = 4, /* blocks: widening a quad takes as long as three of them save */
};

_Static_assert(offsetof(es_wide_job_t, weights) == 28, "the .S knows it");

/* An input of whole quads, the last filled up: as bytes where it lies, or widened in `wide`. */
static void take_input(es_wide_job_t *job, const int8_t *x, uint32_t count, uint32_t block_count,
                       int16_t wide[ES_PAIRS_WIDE]) {
    const uint32_t quads = (count + QUAD - 1) / QUAD, whole = count / QUAD;
    const int is_wide = quads != whole || (count <= ES_PAIRS_WIDE && block_count >= WORTH_WIDENING);
    const uint32_t quad_bytes = is_wide ? QUAD * sizeof *wide : QUAD;
    const int8_t *from = x;

    if (is_wide) {
        if (whole > 0) {
            es_wide_widen(wide, x, whole);
        }
        if (quads != whole) {
            int8_t rest[QUAD] = {0};
            for (uint32_t i = 0; i < count % QUAD; i++) {
                rest[i] = x[whole * QUAD + i];
            }
            es_wide_widen(wide + whole * QUAD, rest, 1);
        }
        from = (const int8_t *)wide;
    }
    const uint32_t left = ((uintptr_t)from & 3) != 0 ? quads : quads % PASS_QUADS;
    job->x = from;
    job->end = from + quads * quad_bytes;
    if (left != 0) {
        job->body = from + left * quad_bytes;
        job->dot = is_wide ? es_wide_dot_halves : es_wide_dot_bytes;
    } else {
        job->body = job->end;
        job->dot = is_wide ? es_wide_dot_halves_passes : es_wide_dot_bytes_passes;
    }
}

/* Adds whole quads from tap `tap` on, a multiple of four. */
static void add_quads(uint32_t *sums, uint32_t outputs, const int8_t *x, uint32_t count,
                      const int16_t *weights, uint32_t block_halves, uint32_t tap) {
    const int16_t *first = weights + tap / QUAD * ES_WIDE_QUAD_HALVES;
    _Alignas(4) int16_t wide[ES_PAIRS_WIDE];
    es_wide_job_t job;

    job.weights = first;
    take_input(&job, x, count, outputs / BLOCK, wide);
    for (; outputs >= BLOCK; outputs -= BLOCK, sums += BLOCK, job.weights += block_halves) {
        es_wide_add(&job, sums);
    }
    if (outputs > 0) {
        uint32_t last[BLOCK] = {0};
        for (uint32_t i = 0; i < outputs; i++) {
            last[i] = sums[i];
        }
        es_wide_add(&job, last);
        for (uint32_t i = 0; i < outputs; i++) {
            sums[i] = last[i];
        }
    }
}

/* Adds the products of any `count` elements by the weights from tap `tap` on. */
static void add(uint32_t *sums, uint32_t outputs, const int8_t *x, uint32_t count,
                const int16_t *weights, uint32_t block_halves, uint32_t tap) {
    for (uint32_t done; count > 0; x += done, tap += done, count -= done) {
        const uint32_t to_quad = (0u - tap) % QUAD;

        if (to_quad == 0 && count >= QUAD) {
            done = count / QUAD * QUAD;
            add_quads(sums, outputs, x, done, weights, block_halves, tap);
        } else {
            done = to_quad != 0 && to_quad < count ? to_quad : count;
            es_wide_add_taps(sums, outputs, x, done, weights, block_halves, tap);
        }
    }
}

static void row(const es_fully_connected_wide_params_t *p, const int8_t *x, uint32_t depth,
                int8_t *q, uint32_t outputs, const int16_t *weights,
                const es_wide_block_t *blocks) {
    const uint32_t whole = outputs / BLOCK, rest = outputs % BLOCK;
    _Alignas(4) int16_t wide[ES_PAIRS_WIDE];
    es_wide_job_t job;

    take_input(&job, x, depth, whole, wide);
    if (whole > 0) {
        job.weights = weights;
        job.blocks = blocks;
        job.out = q;
        job.out_end = q + whole * BLOCK;
        es_wide_whole(&job);
    }
    if (rest > 0) {
        int8_t last[BLOCK];
        job.weights = weights + whole * es_wide_block_halves(depth);
        job.blocks = blocks + whole;
        job.out = last;
        job.out_end = last + BLOCK;
        es_wide_whole(&job);
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

void es_fully_connected_wide(const es_fully_connected_wide_params_t *p, const es_rows_t *in,
                             const es_rows_t *out, const int16_t *weights,
                             const es_wide_block_t *blocks, uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        row(p, (const int8_t *)es_row(in, y), in->w * in->c, (int8_t *)es_row(out, y), out->c,
            weights, blocks);
    }
}

void es_fully_connected_wide_sum(const es_fully_connected_wide_params_t *p, const es_rows_t *in,
                                 const es_rows_t *out, const int16_t *weights,
                                 const es_wide_block_t *blocks, uint32_t *sums, uint32_t y0,
                                 uint32_t y1) {
    const uint32_t run = in->w * in->c, halves = es_wide_block_halves(in->h * run);

    if (y0 == 0) {
        es_wide_start(sums, out->c, blocks);
    }
    for (uint32_t y = y0; y < y1; y++) {
        add(sums, out->c, (const int8_t *)es_row(in, y), run, weights, halves, y * run);
    }
    if (y1 == in->h) {
        es_wide_finish_all(p, (int8_t *)es_row(out, 0), sums, out->c, blocks);
    }
}
