/* FULLY_CONNECTED of int16, portable: four channels at once, the last ones one by one.
 *
 * LiteRT's reference scales each sum by a double here. Its product is exact in integers of 128
 * bits, which are cheaper than doubles on every core without them. */
#include "es_runs.h"
#include "es_sixteen.h"

typedef struct product {
    uint64_t high, low;
} product_t;

static product_t product_of(uint64_t a, uint64_t b) {
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0;
    const uint64_t middle = (p00 >> 32) + (uint32_t)p01 + (uint32_t)p10;

    return (product_t){a1 * b1 + (p01 >> 32) + (p10 >> 32) + (middle >> 32),
                       middle << 32 | (uint32_t)p00};
}

/* (p + 2^(shift - 1)) >> shift, at most `limit`. */
static uint32_t rounded(product_t p, uint32_t shift, uint32_t limit) {
    const uint64_t half = (uint64_t)1 << ((shift - 1) & 63u);
    uint64_t value;

    if (shift > 64) {
        p.high += half;
        value = p.high >> (shift - 64);
    } else {
        p.low += half;
        p.high += p.low < half;
        if (shift < 64 && p.high >> shift != 0) {
            return limit;
        }
        value = shift == 64 ? p.high : p.high << (64 - shift) | p.low >> shift;
    }
    return value < limit ? (uint32_t)value : limit;
}

static int16_t finish(const es_fully_connected_16_params_t *p, int64_t sum,
                      const es_dense_channel_16_t *channel) {
    const uint64_t magnitude = sum < 0 ? 0u - (uint64_t)sum : (uint64_t)sum;
    const product_t product = product_of(magnitude, (uint64_t)channel->multiplier);
    const int32_t value = (int32_t)rounded(product, (uint32_t)channel->shift, 1u << 15);

    return (int16_t)es_clamp(sum < 0 ? -value : value, p->act_min, p->act_max);
}

void es_fully_connected_16(const es_fully_connected_16_params_t *p, const int8_t *weights,
                           const es_dense_channel_16_t *channels, const es_rows_t *in,
                           const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int16_t *x = es_row_16(in, y);
        int16_t *q = es_row_16(out, y);
        for (uint32_t n = 0, lanes; n < out->c; n += lanes) {
            const int8_t *w = weights + n * depth;
            uint64_t sums[ES_RUN_LANES] = {0};
            lanes = n + ES_RUN_LANES <= out->c ? ES_RUN_LANES : 1;
            if (lanes == ES_RUN_LANES) {
                es_add_runs_16(sums, x, w, depth, depth);
            } else {
                es_add_run_16(sums, x, w, depth);
            }
            for (uint32_t lane = 0; lane < lanes; lane++) {
                const es_dense_channel_16_t *channel = &channels[n + lane];
                q[n + lane] = finish(p, (int64_t)(sums[lane] + (uint64_t)channel->bias), channel);
            }
        }
    }
}
