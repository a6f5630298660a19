/* From scores to decisions. */
#include "es_decide.h"

#include <string.h>

void es_decide_start(es_decide_t *decide) {
    memset(decide->smooth, 0, decide->classes * sizeof *decide->smooth);
    decide->seen = -1;
    decide->in_a_row = decide->resting = decide->decisions = 0;
}

static uint32_t smoothed(uint32_t before, uint32_t score, uint32_t shift) {
    return score >= before ? before + ((score - before) >> shift)
                           : before - ((before - score) >> shift);
}

/* The class that is seen now: the one before as long as it does not fall below `off`, or the best
 * that reaches `on`, the first of equal ones. */
static int32_t look(const es_decide_t *decide) {
    int32_t best = -1;

    if (decide->seen >= 0 && decide->smooth[decide->seen] >= decide->off) {
        return decide->seen;
    }
    for (uint32_t i = 0; i < decide->classes; i++) {
        if (decide->smooth[i] >= decide->on &&
            (best < 0 || decide->smooth[i] > decide->smooth[best])) {
            best = (int32_t)i;
        }
    }
    return best;
}

int32_t es_decide(es_decide_t *decide, const uint32_t *scores) {
    for (uint32_t i = 0; i < decide->classes; i++) {
        decide->smooth[i] = smoothed(decide->smooth[i], scores[i], decide->shift);
    }
    const int32_t seen = look(decide);
    const bool rests = decide->resting > 0;
    decide->resting -= rests;
    decide->in_a_row = seen == decide->seen ? decide->in_a_row : 0;
    decide->seen = seen;
    /* What is seen during a rest counts as seen after it: a word that lasts is not lost. */
    if (seen < 0 || decide->in_a_row >= decide->debounce) {
        return -1;
    }
    if (rests && decide->in_a_row + 1 == decide->debounce) {
        return -1;
    }
    decide->in_a_row++;
    if (decide->in_a_row < decide->debounce) {
        return -1;
    }
    decide->resting = decide->rest;
    decide->decisions++;
    return seen;
}

bool es_gate(es_gate_t *gate, uint32_t score) {
    const bool seen = score >= gate->threshold;
    const bool open = seen || gate->left > 0;

    gate->looked++;
    gate->woken += open;
    gate->left = seen ? gate->hold : gate->left - (gate->left > 0);
    return open;
}
