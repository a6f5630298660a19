/* Adapter of CONV_2D by pairs of output channels. */
#include "es_adapter.h"
#include "es_pairs.h"

/* True when no window, of `reach` elements of an axis, leaves it. */
static int stays_inside(uint32_t extent, uint32_t outputs, uint32_t stride, uint32_t reach) {
    return reach <= extent && (outputs - 1) * stride <= extent - reach;
}

/* True when windows are read where they lie, and no row of one is set out in the scratch. */
static int is_plain(const es_conv_pairs_params_t *p, const es_pairs_shape_t *shape,
                    const es_operand_record_t *in, const es_operand_record_t *out) {
    return p->pad_top == 0 && p->pad_left == 0 && (p->dilation_w == 1 || p->kernel_w == 1) &&
           stays_inside(in->h, out->h, p->stride_h, (p->kernel_h - 1u) * p->dilation_h + 1u) &&
           stays_inside(in->w, out->w, p->stride_w, es_pairs_row_pixels(shape, in->c));
}

/* True when the records of windows of so many quads lie in the table. An output in the arena has
 * fewer than 2^31 channels. */
static inline int has_stream(const es_conv_pairs_params_t *p, const es_operand_record_t *out,
                             const es_header_t *table, uint32_t quads) {
    const uint32_t pairs = (out->c + 1) / 2;
    const uint32_t pair_bytes = (ES_PAIRS_RECORD_WORDS + 2 * quads) * (uint32_t)sizeof(uint32_t);

    return es_has_blob(table, p->stream, pairs, pair_bytes, 4);
}

/* Bytes of a tile of such windows; more than any bank has where it is none, of 2 or 3 pixels. */
static inline uint32_t tile_bytes(const es_conv_pairs_params_t *p, uint32_t quads) {
    return p->tile_pixels - 2u <= ES_PAIRS_PIXELS - 2u
               ? es_pairs_tile_words(quads, p->tile_pixels) * (uint32_t)sizeof(uint32_t)
               : ES_MOST_BANK_BYTES + 1;
}

/* True of windows that are the pixels of the input, one by one: what is asked of them is soon said,
 * and half of the convolutions of a small network are of this kind. */
static inline int are_pixels(const es_conv_pairs_params_t *p, const es_operand_record_t *in,
                             const es_operand_record_t *out) {
    const uint32_t ones = 0x00010001u;
    return es_two_at(p, 0) == ones &&
           ((es_two_at(p, 4) ^ ones) | (es_two_at(p, 8) ^ ones) | es_two_at(p, 12) |
            (es_two_at(in, 8) ^ es_two_at(out, 8))) == 0 &&
           in->c <= ES_PAIRS_MOST_TAPS;
}

static es_status_t check_windows(const es_step_record_t *step, const es_operand_record_t *operands,
                                 const es_header_t *table) {
    const es_conv_pairs_params_t *p = es_step_params(step, table);
    const es_operand_record_t *in = &operands[0];
    const uint64_t taps = (uint64_t)((uint32_t)p->kernel_h * p->kernel_w) * in->c;

    if (!es_windows_fit(p)) {
        return ES_BAD_RECORD;
    }
    if (taps > ES_PAIRS_MOST_TAPS) {
        return ES_OUT_OF_BOUNDS;
    }
    const es_pairs_shape_t shape = es_pairs_shape(p->kernel_h, p->kernel_w, in->c);
    const uint32_t tile = tile_bytes(p, shape.quads);
    return has_stream(p, &operands[1], table, shape.quads) &&
                   (step->scratch_bytes >= tile + es_pairs_row_bytes(&shape) ||
                    (step->scratch_bytes >= tile && is_plain(p, &shape, in, &operands[1])))
               ? ES_OK
               : ES_OUT_OF_BOUNDS;
}

static es_status_t check(const es_step_record_t *step, const es_operand_record_t *operands,
                         const es_header_t *table) {
    const es_conv_pairs_params_t *p = es_step_params(step, table);

    if (!es_has_types(step, operands, 1, ES_INT8, ES_INT8)) {
        return ES_BAD_RECORD;
    }
    const es_operand_record_t *in = &operands[0];
    if (are_pixels(p, in, &operands[1])) {
        /* A last quad that is not whole would read beyond the last pixel: each is set out. */
        const uint32_t quads = (in->c + 3) / 4;
        const uint32_t row_bytes = in->c % 4 == 0 ? 0 : 4 * quads;
        return has_stream(p, &operands[1], table, quads) &&
                       step->scratch_bytes >= tile_bytes(p, quads) + row_bytes
                   ? ES_OK
                   : ES_OUT_OF_BOUNDS;
    }
    return check_windows(step, operands, table);
}

static void run(const es_call_t *call) {
    const es_conv_pairs_params_t *p = es_call_params(call);
    const es_rows_t in = es_call_rows(call, 0);
    const es_rows_t out = es_call_output(call);

    es_conv_pairs(p, es_call_blob(call, p->stream), &in, &out, es_call_scratch(call), call->y0,
                  call->y1);
}

const es_kernel_t es_kernel_conv_pairs = {
    .id = 25,
    .check = check,
    .run = run,
};
