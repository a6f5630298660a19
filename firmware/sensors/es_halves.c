/* A double buffer between an interrupt and the program. */
#include "es_bus.h"

#include <string.h>

/* Both sides may be on different cores: what was written before a count is seen with it. */
static uint32_t seen(const uint32_t *count) {
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

void es_halves_start(es_halves_t *halves, int16_t *samples, uint32_t half) {
    memset(halves, 0, sizeof *halves);
    halves->samples = samples;
    halves->half = half;
}

void es_halves_done(es_halves_t *halves) {
    halves->at = 0;
    __atomic_store_n(&halves->filled, halves->filled + 1, __ATOMIC_RELEASE);
}

void es_halves_put(es_halves_t *halves, int16_t sample) {
    halves->samples[(halves->filled & 1) * halves->half + halves->at++] = sample;
    if (halves->at == halves->half) {
        es_halves_done(halves);
    }
}

/* Once two halves are done, the producer writes over the older one. */
static void skip_overwritten(es_halves_t *halves, uint32_t filled, uint32_t *lost) {
    const uint32_t behind = filled - halves->taken;
    if (behind > 1) {
        *lost += (behind - 1) * halves->half - halves->used;
        halves->taken = filled - 1;
        halves->used = 0;
    }
}

uint32_t es_halves_take(es_halves_t *halves, int16_t *into, uint32_t room, uint32_t *lost) {
    uint32_t filled = seen(&halves->filled);
    for (;;) {
        skip_overwritten(halves, filled, lost);
        if (filled == halves->taken) {
            return 0;
        }
        const uint32_t left = halves->half - halves->used;
        const uint32_t count = left < room ? left : room;
        memcpy(into, &halves->samples[(halves->taken & 1) * halves->half + halves->used],
               count * sizeof *into);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        const uint32_t now = seen(&halves->filled);
        if (now - halves->taken <= 1) {
            halves->used += count;
            if (halves->used == halves->half) {
                halves->used = 0;
                halves->taken++;
            }
            return count;
        }
        filled = now; /* what was copied may be torn: take the newer half instead */
    }
}
