/* Several sensors in one set of frames. */
#include "es_frame_set.h"

#include <string.h>

void es_frame_set_start(es_frame_set_t *set, uint64_t now) {
    memset(set->parts, 0, set->count * sizeof *set->parts);
    set->since = now;
    set->whole = set->patched = set->skipped = 0;
}

void es_frame_set_offer(es_frame_set_t *set, uint32_t sensor, uint64_t at) {
    es_part_t *part = &set->parts[sensor];
    part->discarded += part->is_new;
    part->at = at;
    part->is_new = true;
    part->is_known = true;
}

/* What is further from the newest part than the budget can never be in a set with it. */
static void drop_what_is_too_early(es_frame_set_t *set) {
    uint64_t newest = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->parts[i].is_new && set->parts[i].at > newest) {
            newest = set->parts[i].at;
        }
    }
    for (uint32_t i = 0; i < set->count; i++) {
        es_part_t *part = &set->parts[i];
        if (part->is_new && newest - part->at > set->jitter) {
            part->is_new = false;
            part->discarded++;
        }
    }
}

static bool all(const es_frame_set_t *set, bool or_known) {
    for (uint32_t i = 0; i < set->count; i++) {
        if (!set->parts[i].is_new && !(or_known && set->parts[i].is_known)) {
            return false;
        }
    }
    return true;
}

static bool any_new(const es_frame_set_t *set) {
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->parts[i].is_new) {
            return true;
        }
    }
    return false;
}

static es_set_state_t end(es_frame_set_t *set, es_set_state_t state, uint64_t now) {
    for (uint32_t i = 0; i < set->count; i++) {
        es_part_t *part = &set->parts[i];
        part->missed = part->is_new ? 0 : part->missed + 1;
        part->reused += state == ES_SET_PATCHED && !part->is_new;
        part->is_new = false;
    }
    set->whole += state == ES_SET_WHOLE;
    set->patched += state == ES_SET_PATCHED;
    set->skipped += state == ES_SET_SKIPPED;
    set->since = now;
    return state;
}

es_set_state_t es_frame_set_poll(es_frame_set_t *set, uint64_t now) {
    drop_what_is_too_early(set);
    if (all(set, false)) {
        return end(set, ES_SET_WHOLE, now);
    }
    if (now - set->since < set->timeout) {
        return ES_SET_WAITING;
    }
    /* A set of nothing but earlier parts would be the set before once more. */
    const bool patched = set->when_missing == ES_MISSING_PREVIOUS && any_new(set) && all(set, true);
    return end(set, patched ? ES_SET_PATCHED : ES_SET_SKIPPED, now);
}

uint32_t es_frame_set_hung(const es_frame_set_t *set, uint32_t sets) {
    uint32_t i = 0;
    while (i < set->count && set->parts[i].missed < sets) {
        i++;
    }
    return i;
}
