/* Parameter records and prototypes of the kernels of int8; those of int16 and float32 are in
 * es_kernels_16.h and es_kernels_float.h.
 *
 * A kernel is a pure function of pointers and parameters: it knows nothing of models, steps or the
 * loop. It computes output rows [y0, y1), top to bottom, and writes nothing outside them. Rows are
 * found by es_row(), so that a whole tensor and a ring buffer are the same thing. The adapter has
 * proven that all it will touch is in bounds.
 *
 * The kernels named _sum make the same output, a single row, from input rows [y0, y1) at a time:
 * they start an int32 sum for each element of it with row 0, and write it with the last row. The
 * rows may be any cut of the input's elements in order.
 *
 * The records mirror src/edgeserve/kernels/; a test compares every offset. Blobs are offsets from
 * the start of the model table. */
#ifndef ES_KERNELS_H
#define ES_KERNELS_H

#include "edgeserve.h"
#include "es_fixed.h"

/* Of functions that take little of an inference: compiled for size. */
#define ES_FOR_SIZE __attribute__((cold))

typedef struct es_conv2d_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t output_zero_point;
    int32_t act_min;
    int32_t act_max;
    uint32_t weight_c;
    uint32_t weights;
    uint32_t channels;
    uint32_t pads;
} es_conv2d_params_t;

typedef struct es_conv2d_blobs {
    const int8_t *weights;
    const es_channel_t *channels; /* [out->c] */
    const int8_t *pads;           /* [in->c] times the input zero point; anything where no window
                                     leaves the image */
} es_conv2d_blobs_t;

/* out[y][x][n] = clamp(requantize(bias[n] + sum over ky, kx, c of weight * in[y * stride_h -
 * pad_top + ky * dilation_h][...][c]) + zero point). in, out: int8. A group of output channels
 * reads weight_c input channels. weights: group by group, in blocks of four output channels
 * interleaved, [kernel_h][kernel_w][weight_c][4], then the one to three channels left,
 * [kernel_h][kernel_w][weight_c] each. Output row y reads input rows y * stride_h - pad_top and
 * after: it may overwrite those before. No scratch. */
void es_conv2d(const es_conv2d_params_t *params, const es_conv2d_blobs_t *blobs,
               const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_conv_pairs_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t pad;
    int32_t act_min;
    int32_t act_max;
    uint32_t negatives;
    uint32_t tile_pixels; /* 3, or 2 */
    uint32_t stream;
} es_conv_pairs_params_t;

/* The sums of es_conv2d() without groups, two output channels at a time by one chain of
 * multiplications. in, out: int8. `pad` is the input's zero point (anything where no window leaves
 * the image). stream: for each pair of output channels (0 and 1; behind an odd last one comes one
 * that counts for nothing)
 *
 *   i32 bias_0, i32 bias_0 + 256 * bias_1, the words of its taps,
 *   i32 multiplier_0, i32 addend_0, i32 multiplier_1, i32 addend_1,
 *   u32 exponent_0 | exponent_1 << 8 | in_reverse << 31.
 *
 * A pair in reverse is channels 1 and 0, where only the even one has a sum that is small enough to
 * be the second; `negatives` must not be 0 then.
 *
 * A word holds two taps as int16 weight_0 + 256 * weight_1. The window's taps are those of
 * [kernel_h][kernel_w][in->c], but each kernel row gives quads (four taps) alone: of each the words
 * of taps 0 and 2, and of 1 and 3. What is left of all rows comes behind them, in order, two by
 * two, filled up to quads with zeros; or each row is filled up where that takes no more quads
 * (es_pairs_shape()).
 *
 * out = clamp((addend + sign + ((2 * sum * multiplier + 2^31) >> 32)) >> exponent), first to int8,
 * then to [act_min, act_max]; sign is -1 for a negative sum, or 0 where `negatives` is 0. With
 * addend = (2 * zero point + 1) << (exponent - 1) it is what es_requantize() makes of the sum,
 * provided that, whatever the input, |sum| < 2^30, |sum_1| < 2^23 and 1 <= exponent <= 31: whoever
 * makes the table proves it. Anything else makes wrong numbers and nothing worse.
 *
 * Output row y reads input rows y * stride_h - pad_top and after: it may overwrite those before.
 * scratch: a tile (es_pairs.h), 8 bytes a quad and pixel, and, where windows leave the image or
 * skip columns, a padded kernel row; word aligned. */
void es_conv_pairs(const es_conv_pairs_params_t *params, const uint32_t *stream,
                   const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                   uint32_t y1);

typedef struct es_depthwise_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t output_zero_point;
    int32_t act_min;
    int32_t act_max;
    uint32_t multiplier;
    uint32_t weights;
    uint32_t channels;
    uint32_t pads;
} es_depthwise_params_t;

typedef struct es_depthwise_blobs {
    const int8_t *weights;        /* [kernel_h][kernel_w][out->c] */
    const es_channel_t *channels; /* [out->c] */
    const int8_t *pads;           /* as in es_conv2d_blobs_t */
} es_depthwise_blobs_t;

/* out[y][x][n] = clamp(requantize(bias[n] + sum over ky, kx of weight[ky][kx][n] * in[y * stride_h
 * - pad_top + ky * dilation_h][...][n / multiplier]) + zero point). in, out: int8, out->c = in->c *
 * multiplier. Output row y reads input rows y * stride_h - pad_top and after: it may overwrite
 * those before. No scratch. */
void es_depthwise(const es_depthwise_params_t *params, const es_depthwise_blobs_t *blobs,
                  const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_depthwise_pairs_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t pad;
    int32_t act_min;
    int32_t act_max;
    uint32_t negatives;
    uint32_t tile_w;
    uint32_t sets_aside;
    uint32_t stream;
} es_depthwise_pairs_params_t;

/* Whether two output rows are computed at once. */
static inline int es_depthwise_by_two(const es_depthwise_pairs_params_t *p) {
    return p->kernel_h == 3 && p->kernel_w == 3 && p->dilation_h == 1 && p->dilation_w == 1 &&
           p->stride_h == p->stride_w && p->stride_h <= 2;
}

/* Pixels that windows other than 3x3 are computed for at a time, if there are as many or not. */
enum { ES_DEPTHWISE_PIXELS = 4 };

/* Scratch: for each column that a tile of at least as many sees, four words for each pair of the
 * rows that are seen at once; four words for each word of a channel's weights in the stream; an
 * input row, where one is set aside. */
typedef struct es_depthwise_scratch {
    uint64_t column_words;
    uint32_t weight_words;
} es_depthwise_scratch_t;

static inline es_depthwise_scratch_t es_depthwise_scratch(const es_depthwise_pairs_params_t *p,
                                                          uint32_t out_w) {
    const uint32_t seen = p->kernel_h + (es_depthwise_by_two(p) ? p->stride_h : 0u);
    const uint32_t tile_w = p->tile_w < out_w ? p->tile_w : out_w;
    const uint32_t pixels = tile_w > ES_DEPTHWISE_PIXELS ? tile_w : ES_DEPTHWISE_PIXELS;
    const uint32_t columns = (pixels - 1) * p->stride_w + (p->kernel_w - 1u) * p->dilation_w + 1;
    const uint32_t weights = (p->kernel_h + 1u) / 2 * p->kernel_w;

    return (es_depthwise_scratch_t){(uint64_t)((seen + 1) / 2 * 4) * columns, (weights + 1) / 2};
}

/* The sums of es_depthwise() with multiplier 1 and at least four channels, two rows of a window by
 * one multiplication. in, out: int8. `pad` is the input's zero point. stream: for each channel
 *
 *   the words of its pairs, i32 2 * bias, i32 multiplier, i32 addend, i32 exponent.
 *
 * A pair is an int8 weight and the one below it, of rows 0 and 1, 2 and 3 and so on; the last of an
 * odd kernel_h are of its last two rows (for kernel_h 1: 0 and the weight). Pairs come row by row,
 * two in a word: bytes 0 and 2 are one pair, 1 and 3 the next.
 *
 * out = clamp((addend + sign + ((2 * sum * multiplier + 2^31) >> 32)) >> exponent), first to int8,
 * then to [act_min, act_max]; sign is -1 for a negative sum. With addend = (2 * zero point + 1) <<
 * (exponent - 1) it is what es_requantize() makes of the sum, provided that, whatever the input,
 * |sum| < 2^30, 0 <= multiplier and 1 <= exponent <= 23: whoever makes the table proves it.
 * `negatives` may be 0 where act_min is the zero point or above: then the sign does not matter.
 * Anything else makes wrong numbers and nothing worse.
 *
 * Output row y reads input rows y * stride_h - pad_top and after: it may overwrite those before.
 * But where es_depthwise_by_two(), two rows may be computed before the first is written, unless
 * `sets_aside` makes a copy of the first input row. `tile_w` output pixels are computed at a time:
 * that bounds the scratch, es_depthwise_scratch(), word aligned. */
void es_depthwise_pairs(const es_depthwise_pairs_params_t *params, const uint32_t *stream,
                        const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                        uint32_t y1);

/* Whether es_depthwise_relu() computes such windows. */
static inline int es_depthwise_is_relu(const es_depthwise_pairs_params_t *p) {
    return p->kernel_h == 3 && p->kernel_w == 3 && p->dilation_w == 1 && p->stride_w <= 2;
}

/* The same of 3x3 windows, as es_depthwise_is_relu() has it, and act_min at the zero point or
 * above: `negatives` is taken to be 0. */
void es_depthwise_relu(const es_depthwise_pairs_params_t *params, const uint32_t *stream,
                       const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                       uint32_t y1);

typedef struct es_fully_connected_params {
    int32_t output_zero_point;
    int32_t act_min;
    int32_t act_max;
    uint32_t weights;
    uint32_t channels;
} es_fully_connected_params_t;

/* out[y][n] = clamp(requantize_once(bias[n] + sum_k in[y][k] * weights[n][k]) + zero point).
 * in: int8, h rows of in->w * in->c elements. out: int8, h rows of out->c. No aliasing, no scratch.
 */
void es_fully_connected(const es_fully_connected_params_t *params, const es_rows_t *in,
                        const es_rows_t *out, const int8_t *weights, const es_channel_t *channels,
                        uint32_t y0, uint32_t y1);
void es_fully_connected_sum(const es_fully_connected_params_t *params, const es_rows_t *in,
                            const es_rows_t *out, const int8_t *weights,
                            const es_channel_t *channels, uint32_t *sums, uint32_t y0, uint32_t y1);

typedef struct es_transpose_conv_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t output_zero_point;
    int32_t act_min;
    int32_t act_max;
    uint32_t weights;
    uint32_t channels;
} es_transpose_conv_params_t;

typedef struct es_transpose_conv_blobs {
    const int8_t *weights;
    const es_channel_t *channels; /* [out->c] */
} es_transpose_conv_blobs_t;

/* out[y][x][n] = clamp(requantize(bias[n] + sum over the input pixels (i, j) and taps (ky, kx) with
 * y = i * stride_h - pad_top + ky and x likewise, and over c, of weight * (in[i][j][c] - input zero
 * point)) + zero point). in, out: int8. weights: blocks of four output channels interleaved,
 * [kernel_h][kernel_w][in->c][4], then the one to three left, [kernel_h][kernel_w][in->c] each.
 * Output row y reads no input row before (y + pad_top - kernel_h + 1) / stride_h, rounded up. No
 * scratch. */
void es_transpose_conv(const es_transpose_conv_params_t *params,
                       const es_transpose_conv_blobs_t *blobs, const es_rows_t *in,
                       const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_pool_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t pad_top, pad_left;
    int32_t act_min;
    int32_t act_max;
} es_pool_params_t;

/* Mean, to nearest and ties away from zero, or maximum of the window's elements inside the image,
 * channel by channel, clamped. in, out: int8, same c. Output row y reads input rows y * stride_h -
 * pad_top and after: it may overwrite those before. No scratch. */
void es_average_pool(const es_pool_params_t *params, const es_rows_t *in, const es_rows_t *out,
                     uint32_t y0, uint32_t y1);
void es_max_pool(const es_pool_params_t *params, const es_rows_t *in, const es_rows_t *out,
                 uint32_t y0, uint32_t y1);

/* The mean of a window that is the whole image: a single pixel of out->c elements. */
void es_average_pool_sum(const es_pool_params_t *params, const es_rows_t *in, const es_rows_t *out,
                         uint32_t *sums, uint32_t y0, uint32_t y1);

typedef struct es_softmax_params {
    int32_t input_multiplier;
    int32_t input_left_shift;
    int32_t diff_min; /* differences below it count as a probability of zero */
} es_softmax_params_t;

/* Each run of in->c elements is one distribution: out is 256 times its softmax, minus 128, by
 * gemmlowp's fixed-point exponential and reciprocal. in, out: int8, same extents; out may be in. A
 * run longer than 4095 overflows the sum. No scratch. */
void es_softmax(const es_softmax_params_t *params, const es_rows_t *in, const es_rows_t *out,
                uint32_t y0, uint32_t y1);

typedef struct es_svdf_params {
    uint32_t rank;
    uint32_t memory;
    int32_t state_multiplier;
    int32_t state_shift;
    int32_t output_multiplier;
    int32_t output_shift;
    int32_t output_zero_point;
    uint32_t weights_feature;
    uint32_t weights_time;
    uint32_t offsets;
    uint32_t biases;
} es_svdf_params_t;

typedef struct es_svdf_blobs {
    const int8_t *weights_feature; /* [filters][in], filters = out->c * rank */
    const int16_t *weights_time;   /* [filters][memory] */
    const int32_t *offsets;        /* [filters] */
    const int32_t *biases;         /* [out->c] */
} es_svdf_blobs_t;

/* Each filter's newest state is requantize(offset + sum_k in[k] * feature[k]), clamped to int16,
 * behind its older ones moved down by one; out[u] = clamp(requantize(bias + sum over the unit's
 * filters and times of state * time weight) + zero point). in: int8, rows of in->w * in->c, one a
 * batch. state: int16, rows of filters * memory, one a batch, read and WRITTEN: it must not overlap
 * anything else. out: int8, rows of out->c. Each row must be computed exactly once an inference. No
 * scratch. */
void es_svdf(const es_svdf_params_t *params, const es_svdf_blobs_t *blobs, const es_rows_t *in,
             const es_rows_t *state, const es_rows_t *out, uint32_t y0, uint32_t y1);

enum { ES_LSTM_FORGET, ES_LSTM_CELL, ES_LSTM_OUTPUT, ES_LSTM_INPUT, ES_LSTM_GATES };

typedef struct es_lstm_params {
    uint32_t
        gates; /* ES_LSTM_GATES, or one less: then the input gate is one minus the forget gate */
    int32_t cell_scale_log2;
    int32_t cell_clip; /* 0: none */
    int32_t input_multipliers[ES_LSTM_GATES];
    int32_t input_shifts[ES_LSTM_GATES];
    int32_t recurrent_multipliers[ES_LSTM_GATES];
    int32_t recurrent_shifts[ES_LSTM_GATES];
    int32_t hidden_multiplier;
    int32_t hidden_shift;
    int32_t hidden_zero_point;
    uint32_t weights;
    uint32_t recurrent;
    uint32_t biases;
} es_lstm_params_t;

typedef struct es_lstm_blobs {
    const int8_t *weights;   /* [cells][gates][in] */
    const int8_t *recurrent; /* [cells][gates][cells] */
    const int32_t *biases;   /* [cells][gates][2]: of the input, of the output state */
} es_lstm_blobs_t;

/* Output row y is time step y: the rows of one inference must be computed top to bottom, once each.
 * Gates are Q3.12 int16 and go through gemmlowp's int16 logistic and tanh. in: int8, rows of
 * in->w * in->c. out: int8, rows of out->c = cells. output_state int8 [cells] and cell_state int16
 * [cells] are read and WRITTEN: they must not overlap anything else. -15 <= cell_scale_log2 <= -9.
 * No scratch. */
void es_lstm(const es_lstm_params_t *params, const es_lstm_blobs_t *blobs, const es_rows_t *in,
             int8_t *output_state, int16_t *cell_state, const es_rows_t *out, uint32_t y0,
             uint32_t y1);

enum { ES_REDUCE_SUM = 0, ES_REDUCE_MAX = 1, ES_REDUCE_SUM_UNSIGNED = 2 };

typedef struct es_reduce_params {
    uint32_t mode;
    uint32_t kept_dims[3];
    int32_t kept_strides[3];
    uint32_t reduced_dims[3];
    int32_t reduced_strides[3];
    int32_t start;
    int32_t multiplier;
    int32_t shift;
    int32_t output_zero_point;
} es_reduce_params_t;

/* Output row y, element (i, j) over kept_dims [1] and [2], reduces the input elements at (y, i, j)
 * . kept_strides + (k, l, m) . reduced_strides: the maximum, or clamp(requantize(start + sum) +
 * zero point). in, out: int8, or uint8 by another name for SUM_UNSIGNED; in: dense, the strides
 * count from its first element. No scratch. */
void es_reduce(const es_reduce_params_t *params, const es_rows_t *in, const es_rows_t *out,
               uint32_t y0, uint32_t y1);

typedef struct es_reduce_pixels_params {
    uint32_t mode; /* as of es_reduce_params_t */
    int32_t start;
    int32_t multiplier;
    int32_t shift;
    int32_t output_zero_point;
    int32_t low;
    int32_t high;
} es_reduce_pixels_params_t;

/* Takes INPUT rows [y0, y1) into a sum a channel, or a maximum; a row is whole pixels of out->c
 * channels. Row 0 begins at `start`. The last row writes the output, a single row:
 * clamp(requantize(sum) + zero point). `sums` [out->c] may be null where all rows are taken at
 * once. in, out: int8, or uint8 by another name for SUM_UNSIGNED. No scratch. */
void es_reduce_pixels(const es_reduce_pixels_params_t *params, const es_rows_t *in,
                      const es_rows_t *out, uint32_t *sums, uint32_t y0, uint32_t y1);

typedef struct es_look_up_params {
    uint32_t table;
} es_look_up_params_t;

/* out[y][i] = table[in[y][i]], 8-bit elements taken as unsigned. In place if so wished. No scratch.
 */
void es_look_up(const es_rows_t *in, const es_rows_t *out, const uint8_t table[256], uint32_t y0,
                uint32_t y1);

typedef struct es_add_params {
    int32_t factor_1;
    int32_t offset_1;
    int32_t factor_2; /* 1, or -1 */
    int32_t offset_2;
    int32_t multiplier_2;
    int32_t shift_2;
    int32_t output_zero_point;
    int32_t output_multiplier;
    int32_t output_shift;
    int32_t act_min;
    int32_t act_max;
} es_add_params_t;

/* out = clamp(requantize(A + factor_2 * B) + zero point) with A = a * factor_1 + offset_1, which
 * needs no rounding because a is the input of the greater scale, and B = requantize((b + offset_2)
 * << 20). a, b, out: int8; an input's h, w or c of 1 is broadcast. The shifts are not positive. In
 * place on an input that is not broadcast. No scratch. */
void es_add(const es_add_params_t *params, const es_rows_t *a, const es_rows_t *b,
            const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_mul_params {
    int32_t offset_1;
    int32_t offset_2;
    int32_t output_zero_point;
    int32_t output_multiplier;
    int32_t output_shift;
    int32_t act_min;
    int32_t act_max;
} es_mul_params_t;

/* out = clamp(requantize((a + offset_1) * (b + offset_2)) + zero point). Operands as es_add(). */
void es_mul(const es_mul_params_t *params, const es_rows_t *a, const es_rows_t *b,
            const es_rows_t *out, uint32_t y0, uint32_t y1);

enum { ES_MINIMUM = 0, ES_MAXIMUM = 1 };

typedef struct es_extremum_params {
    uint32_t mode;
} es_extremum_params_t;

/* out = the lesser or the greater of a and b. Operands as es_add(). */
void es_extremum(const es_extremum_params_t *params, const es_rows_t *a, const es_rows_t *b,
                 const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_prelu_params {
    int32_t input_offset;
    int32_t alpha_offset;
    int32_t output_zero_point;
    int32_t positive_multiplier;
    int32_t positive_shift;
    int32_t negative_multiplier;
    int32_t negative_shift;
} es_prelu_params_t;

/* v = in + input_offset; out = clamp(requantize(v) + zero point), and where v is negative of
 * v * (slope + alpha_offset). Operands as es_add(). */
void es_prelu(const es_prelu_params_t *params, const es_rows_t *in, const es_rows_t *slopes,
              const es_rows_t *out, uint32_t y0, uint32_t y1);

#define ES_COPY_DIMS 6

typedef struct es_copy_params {
    uint32_t first_row;
    int32_t row_step;
    uint32_t start;
    uint32_t dims[ES_COPY_DIMS];
    int32_t strides[ES_COPY_DIMS];
} es_copy_params_t;

/* Output row y is the box dims[1..5], dense; its element (i1..i5) is element start + (y, i1..i5) .
 * strides of input row first_row + y * row_step. Elements of any type, the same in and out. Strides
 * may be 0 or negative. No scratch. */
void es_copy(const es_copy_params_t *params, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
             uint32_t y1);

/* One input's part: out[y][x][first + i] = in[y][x][i]. Elements of any type, the same in and out.
 * No scratch. */
void es_concatenation(const es_rows_t *in, const es_rows_t *out, uint32_t first, uint32_t y0,
                      uint32_t y1);

#define ES_PAD_DIMS 6

typedef struct es_pad_params {
    uint32_t value; /* the bits of one element */
    uint32_t dims[ES_PAD_DIMS];
    uint32_t before[ES_PAD_DIMS];
    uint32_t inner[ES_PAD_DIMS];
} es_pad_params_t;

/* Output row y is the box dims[1..5]; the input's box of inner[1..5] lies at `before` in rows
 * [before[0], before[0] + inner[0]), and `value` everywhere else. Elements of at most four bytes,
 * the same in and out. No scratch. */
void es_pad(const es_pad_params_t *params, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
            uint32_t y1);

typedef struct es_gather_params {
    uint32_t axis;
    uint32_t inner_bytes;
    uint32_t indices;
} es_gather_params_t;

/* A row of the input is `axis` runs of inner_bytes, a row of the output those that `indices` name,
 * in their order. An index outside the axis is clamped to it: the device has nobody to tell. No
 * scratch.
 */
void es_gather(const es_gather_params_t *params, const es_rows_t *in, const int32_t *indices,
               const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_resize_nearest_params {
    uint32_t rows;
    uint32_t columns;
} es_resize_nearest_params_t;

/* out[y][x] = in[rows[y]][columns[x]]. Elements of any type, the same in and out. No scratch. */
void es_resize_nearest(const es_rows_t *in, const es_rows_t *out, const uint16_t *rows,
                       const uint16_t *columns, uint32_t y0, uint32_t y1);

/* A place between two rows or columns: `fraction` / 1024 of the way from low to high. */
typedef struct es_between {
    uint16_t low, high;
    int32_t fraction;
} es_between_t;

#define ES_BETWEEN_ONE 1024

typedef struct es_resize_bilinear_params {
    uint32_t rows;
    uint32_t columns;
} es_resize_bilinear_params_t;

/* out[y][x] lies between four input pixels, by rows[y] and columns[x]. in, out: int8. Fractions lie
 * in
 * [-512, 1536]. No scratch. */
void es_resize_bilinear(const es_rows_t *in, const es_rows_t *out, const es_between_t *rows,
                        const es_between_t *columns, uint32_t y0, uint32_t y1);

typedef struct es_arg_max_params {
    uint32_t axis;
    uint32_t inner;
} es_arg_max_params_t;

/* out[y][i] = the first k with the greatest in[y][k][i], k below `axis`, i below `inner`. in: int8.
 * out: int32 or int64. No scratch. */
void es_arg_max(const es_arg_max_params_t *params, const es_rows_t *in, const es_rows_t *out,
                uint32_t y0, uint32_t y1);

typedef struct es_quantize_params {
    float scale;
    int32_t zero_point;
    int32_t low, high; /* the range of the output's type */
} es_quantize_params_t;

/* out = clamp(round(in / scale) + zero point), ties away from zero; NaN becomes the zero point. in:
 * float32. out: int8 or uint8. No scratch. */
void es_quantize(const es_quantize_params_t *params, const es_rows_t *in, const es_rows_t *out,
                 uint32_t y0, uint32_t y1);

typedef struct es_dequantize_params {
    float scale;
    int32_t zero_point;
} es_dequantize_params_t;

/* out = scale * (in - zero point) in float32. in: int8. No scratch. */
void es_dequantize(const es_dequantize_params_t *params, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1);

typedef struct es_fully_connected_pairs_params {
    int32_t output_zero_point;
    int32_t act_min;
    int32_t act_max;
    uint32_t is_long; /* 0: no sum of an odd channel leaves 24 bits on its way */
    uint32_t weights;
    uint32_t blocks;
} es_fully_connected_pairs_params_t;

/* A row longer than this comes in whole quads, but for _sum. */
#define ES_PAIRS_WIDE 128

/* What a sum of an even channel becomes: clamp(((sum * multiplier >> 32 >> exponent) + 1 + 2 *
 * zero point) >> 1). Of an odd one it is 256 times the sum, so that its exponent is 8 more. */
typedef struct es_pairs_scale {
    int32_t multiplier;
    int32_t exponent; /* 0 to 31, of an odd channel 8 to 31 */
} es_pairs_scale_t;

/* Four neighbouring channels: where their sums start, which is the bias, for an odd one 256 times
 * its own and that of the one before. */
typedef struct es_pairs_block {
    int32_t starts[4];
    es_pairs_scale_t scales[4];
} es_pairs_block_t;

/* Makes what es_fully_connected() makes. Two weights are one int16, w0 + 256 * w1, of a pair of
 * neighbouring channels. weights: blocks of four channels, [depth / 4][pair][parity][2], tap 4 * q
 * + 2 * i + parity at [q][pair][parity][i]; taps and channels that are not there are zeros. The
 * host has proven that each pair is an int16, and each bias of 24 bits. in->w * in->c is a multiple
 * of 4, or at most ES_PAIRS_WIDE. No aliasing, no scratch. */
void es_fully_connected_pairs(const es_fully_connected_pairs_params_t *params, const es_rows_t *in,
                              const es_rows_t *out, const int16_t *weights,
                              const es_pairs_block_t *blocks, uint32_t y0, uint32_t y1);
void es_fully_connected_pairs_sum(const es_fully_connected_pairs_params_t *params,
                                  const es_rows_t *in, const es_rows_t *out, const int16_t *weights,
                                  const es_pairs_block_t *blocks, uint32_t *sums, uint32_t y0,
                                  uint32_t y1);

typedef struct es_add_by_table_params {
    int32_t multiplier;
    int32_t addend;
    int32_t exponent; /* 1 to 31 */
    int32_t act_min;
    int32_t act_max;
    uint32_t table;
} es_add_by_table_params_t;

/* out = clamp((v + addend - (sum < 0)) >> exponent) with sum = (a << 20) + table[b] and v = sum *
 * multiplier / 2^32, rounded to nearest, ties up: what es_add() makes, of twice its sum. a, b, out:
 * int8 of one shape; b indexes by its bits. In place. No scratch. */
void es_add_by_table(const es_add_by_table_params_t *params, const es_rows_t *a, const es_rows_t *b,
                     const es_rows_t *out, const int32_t table[256], uint32_t y0, uint32_t y1);

/* What a channel's sum starts from, and what becomes of it: clamp((sum * multiplier / 2^30, rounded
 * down, + addend + (negative sum ? below : 0)) >> exponent). Whoever makes the table has proven
 * that |sum| < 2^29, that 0 <= multiplier, and that nothing before the shift leaves 32 bits;
 * anything else makes wrong numbers and nothing worse. */
typedef struct es_scale {
    int32_t bias;
    int32_t multiplier;
    int32_t addend;
    int32_t exponent; /* 1 to 31 */
} es_scale_t;

typedef struct es_conv_lanes_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t pad;
    int32_t act_min;
    int32_t act_max;
    int32_t below; /* -2, or 0 where no negative sum shows */
    uint32_t run;  /* taps, at most, before three sums are taken out of two words */
    uint32_t weights;
    uint32_t scales;
} es_conv_lanes_params_t;

/* Scratch of es_conv_lanes(): two words a tap; where windows leave the image or skip columns, four
 * kernel rows. */
enum { ES_LANES_PIXELS = 3, ES_LANES_TAP_BYTES = 8, ES_LANES_ROWS = 4 };

/* True where all windows are plain bytes of the image's rows. */
static inline int es_lanes_stay_inside(const es_conv_lanes_params_t *p, uint32_t in_h,
                                       uint32_t in_w, uint32_t out_h, uint32_t out_w) {
    const uint32_t reach_h = (p->kernel_h - 1u) * p->dilation_h + 1u;

    return p->pad_top == 0 && p->pad_left == 0 && (p->dilation_w == 1 || p->kernel_w == 1) &&
           (out_h - 1) * p->stride_h + reach_h <= in_h &&
           (out_w - 1) * p->stride_w + p->kernel_w <= in_w;
}

/* The sums of es_conv2d() without groups, of three pixels at a time by two multiplications: their
 * elements a, b and c are the words a + 2^21 b and c + 2^10 b, and so are their sums, modulo 2^32.
 * in, out: int8. `pad` is the input's zero point. weights: blocks of four output channels, the last
 * filled up with zeros, [kernel_h][kernel_w][in->c][4]. scales: [out->c].
 *
 * Whoever makes the table has proven that the products of `run` neighbouring taps, of each channel
 * and from each multiple of `run` on, add up to an int21 for every input.
 *
 * Output row y reads input rows y * stride_h - pad_top and after: it may overwrite those before.
 * scratch: word aligned. */
void es_conv_lanes(const es_conv_lanes_params_t *params, const int8_t *weights,
                   const es_scale_t *scales, const es_rows_t *in, const es_rows_t *out,
                   void *scratch, uint32_t y0, uint32_t y1);

typedef struct es_depthwise_columns_params {
    uint16_t stride_h, stride_w; /* 1 or 2 across */
    uint16_t pad_top, pad_left;
    int32_t pad;
    int32_t act_min;
    int32_t act_max;
    int32_t below; /* -2, or 0 where no negative sum shows */
    uint32_t weights;
    uint32_t scales;
} es_depthwise_columns_params_t;

/* The sums of es_depthwise() with multiplier 1 and windows of 3x3, a channel after the other: each
 * column of three elements is read once for all windows that it lies in. in, out: int8. `pad` is
 * the input's zero point. weights: [out->c][9]. scales: [out->c]. A row is written while its input
 * rows may still be needed; else as es_conv_lanes(). No scratch. */
void es_depthwise_columns(const es_depthwise_columns_params_t *params, const int8_t *weights,
                          const es_scale_t *scales, const es_rows_t *in, const es_rows_t *out,
                          uint32_t y0, uint32_t y1);

typedef struct es_fully_connected_blocks_params {
    int32_t act_min;
    int32_t act_max;
    uint32_t weights;
    uint32_t scales;
} es_fully_connected_blocks_params_t;

enum { ES_BLOCK_CHANNELS = 8 };

/* Makes what es_fully_connected() makes, where no sum lies on a tie. weights: blocks of eight
 * output channels, [depth][8], the last filled up with zeros; if it has at most four, [depth][4].
 * scales: [out->c], with `below` 0. No aliasing, no scratch. */
void es_fully_connected_blocks(const es_fully_connected_blocks_params_t *params,
                               const es_rows_t *in, const es_rows_t *out, const int8_t *weights,
                               const es_scale_t *scales, uint32_t y0, uint32_t y1);
void es_fully_connected_blocks_sum(const es_fully_connected_blocks_params_t *params,
                                   const es_rows_t *in, const es_rows_t *out, const int8_t *weights,
                                   const es_scale_t *scales, uint32_t *sums, uint32_t y0,
                                   uint32_t y1);

typedef struct es_fully_connected_wide_params {
    int32_t act_min;
    int32_t act_max;
    uint32_t weights;
    uint32_t blocks;
} es_fully_connected_wide_params_t;

/* What a sum becomes: clamp((addend + (sum * multiplier >> 32)) >> exponent). */
typedef struct es_wide_scale {
    int32_t multiplier;
    int32_t addend;
    int32_t exponent; /* 1 to 31 */
} es_wide_scale_t;

/* Four neighbouring channels: where their sums start, and their scales. */
typedef struct es_wide_block {
    int32_t biases[4];
    es_wide_scale_t scales[4];
} es_wide_block_t;

/* Makes what es_fully_connected() makes, from weights of 16 bits. weights: blocks of four channels,
 * [depth / 4][parity][channel][2], tap 4 * q + 2 * i + parity of a channel at
 * [q][parity][channel][i]; taps and channels that are not there are zeros. in->w * in->c is a
 * multiple of 4, or at most ES_PAIRS_WIDE. Whoever makes the table has proven that no sum falls on
 * a tie and that nothing before the shift leaves 32 bits. No aliasing, no scratch. */
void es_fully_connected_wide(const es_fully_connected_wide_params_t *params, const es_rows_t *in,
                             const es_rows_t *out, const int16_t *weights,
                             const es_wide_block_t *blocks, uint32_t y0, uint32_t y1);
void es_fully_connected_wide_sum(const es_fully_connected_wide_params_t *params,
                                 const es_rows_t *in, const es_rows_t *out, const int16_t *weights,
                                 const es_wide_block_t *blocks, uint32_t *sums, uint32_t y0,
                                 uint32_t y1);

typedef struct es_conv_winograd_params {
    uint16_t pad_top, pad_left;
    int32_t act_min;
    int32_t act_max;
    uint32_t negatives;
    uint32_t stream;
    uint32_t pads;
} es_conv_winograd_params_t;

/* The sums of es_conv2d() with 3x3 windows of stride 1 and no groups by Winograd's F(2x2, 3x3),
 * exact in integers: with d a tile of 4x4 inputs, g the weights,
 *
 *       1  0 -1  0            2  0  0         1 1  1  0
 *   B = 0  1  1  0       G =  1  1  1     A = 0 1 -1 -1
 *       0 -1  1  0            1 -1  1
 *       0  1  0 -1            0  0  2
 *
 * four times the sums of 2x2 outputs are A [(G g G') * (B d B')] A', where * goes element by
 * element and adds up all channels. in, out: int8, in->c a multiple of 4, out->c of 2. Two tiles
 * side by side and two output channels are computed at a time.
 *
 * stream: for each pair of output channels the elements of G g G' by columns, columns and rows in
 * the order 1, 2, 0, 3; of each, for each four input channels, the words of channels 0 and 2 of the
 * first output channel, of the second, then of channels 1 and 3; behind all of them
 *
 *   i32 4 * bias_0, i32 4 * bias_1, i32 multiplier_0, i32 addend_0, i32 exponent_0, the same of 1.
 *
 * A word holds two int16. pads: [in->c] times the input's zero point; anything where no window
 * leaves the image.
 *
 * out = clamp((addend + sign + (4 * sum * multiplier >> 32)) >> exponent), first to int8, then to
 * [act_min, act_max]; sign is -2 for a negative sum, or 0 where `negatives` is 0. With addend = ((2
 * * zero point + 1) << (exponent - 1)) + 1 it is what es_requantize() makes of the sum with a shift
 * of 1 - exponent, provided that, whatever the input, |sum| < 2^29, nothing before the shift leaves
 * 32 bits, and 2 <= exponent <= 31: whoever makes the table proves it. Anything else makes wrong
 * numbers and nothing worse.
 *
 * Two output rows may be computed before the first is written. Output row y reads input rows y -
 * pad_top and after: it may overwrite those before. scratch: es_conv_winograd_scratch_bytes(), word
 * aligned. */
void es_conv_winograd(const es_conv_winograd_params_t *params, const uint32_t *stream,
                      const int8_t *pads, const es_rows_t *in, const es_rows_t *out, void *scratch,
                      uint32_t y0, uint32_t y1);

enum { ES_WINOGRAD_SUMS_BYTES = 256, ES_WINOGRAD_RECORD_WORDS = 8 };

/* 16 elements of two tiles of int16, and 16 sums of two tiles by two output channels. */
static inline uint32_t es_conv_winograd_scratch_bytes(uint32_t in_c) {
    return 64 * in_c + ES_WINOGRAD_SUMS_BYTES;
}

typedef struct es_conv_vectors_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t pad;
    int32_t act_min;
    int32_t act_max;
    uint32_t negatives;
    uint32_t stream;
} es_conv_vectors_params_t;

/* Elements of a vector, and output pixels that es_conv_vectors() computes together. */
enum { ES_VECTOR = 16, ES_VECTOR_PIXELS = 4 };

/* Output channels for which it has room between two pixels' results. */
#define ES_VECTOR_MOST_CHANNELS 16384u

/* What follows the weights of two channels in a stream, of each: the bias is the start of its sum.
 */
typedef struct es_vector_scale {
    int32_t bias, multiplier, addend, shift; /* to the left: minus the exponent */
} es_vector_scale_t;

/* The sums of es_conv2d() without groups, at least two output channels, windows without gaps along
 * a row: dilation_w or kernel_w is 1. in, out: int8. `pad` is the input's zero point (anything
 * where no window leaves the image). stream: for each two output channels
 *
 *   int8 weights [vectors][2][16], the window's taps [kernel_h][kernel_w][in->c] in order, filled
 *   up with zeros to whole vectors; es_vector_scale_t [2].
 *
 * Of an odd number of channels the last two are the last and the one before once more.
 *
 * out = clamp((addend + sign + ((2 * sum * multiplier + 2^31) >> 32)) >> exponent) with sign -1 for
 * a negative sum, or 0 where `negatives` is 0: as for es_conv_pairs(), and so are addend, ranges
 * and who proves them.
 *
 * Output row y reads input rows y * stride_h - pad_top and after: it may overwrite those before.
 * scratch: ES_VECTOR_PIXELS windows in whole vectors; of any alignment. */
void es_conv_vectors(const es_conv_vectors_params_t *params, const int8_t *stream,
                     const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                     uint32_t y1);

/* Vectors of a window of fewer than 2^32 - 16 taps. */
static inline uint32_t es_conv_vectors_of(const es_conv_vectors_params_t *p, uint32_t in_c) {
    return ((uint32_t)p->kernel_h * p->kernel_w * in_c + ES_VECTOR - 1) / ES_VECTOR;
}

/* Bytes of two channels in the stream. */
static inline uint32_t es_conv_vectors_pair_bytes(uint32_t vectors) {
    return 2 * (vectors * ES_VECTOR + (uint32_t)sizeof(es_vector_scale_t));
}

typedef struct es_depthwise_vectors_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t pad;
    int32_t act_min;
    int32_t act_max;
    uint32_t negatives;
    uint32_t tile_w;
    uint32_t sets_aside;
    uint32_t stream;
} es_depthwise_vectors_params_t;

/* Rows and columns that a vector has room for. */
enum { ES_DEPTHWISE_SIDE = 4 };

/* A channel in the stream: the weights are a vector with zeros before it. */
typedef struct es_depthwise_channel {
    int32_t bias, multiplier, addend, exponent; /* the exponent's highest byte is a zero more */
    int32_t zeros;
    int8_t weights[ES_DEPTHWISE_SIDE][ES_DEPTHWISE_SIDE]; /* [column][row] */
} es_depthwise_channel_t;

/* The sums of es_depthwise() with multiplier 1, a window at a time. in, out: int8. Windows have at
 * most four rows and columns, dilation_w or kernel_w is 1; stride_w is 2, or both strides and
 * dilation_h are 1 and windows have at most three rows and columns. `pad` is the input's zero
 * point. Weights that a window does not have are zeros.
 *
 * out, `negatives`, ranges and who proves them: as for es_conv_vectors(), exponent <= 31.
 *
 * Output row y reads input rows y * stride_h - pad_top and after: it may overwrite those before.
 * But where stride_w is 1, two rows may be computed before the first is written, unless
 * `sets_aside` makes a copy of the first input row. `tile_w` output pixels are computed at a time.
 * scratch: es_depthwise_vectors_columns() columns of four rows of sixteen channels, then an input
 * row where one is set aside; word aligned. */
void es_depthwise_vectors(const es_depthwise_vectors_params_t *params,
                          const es_depthwise_channel_t *stream, const es_rows_t *in,
                          const es_rows_t *out, void *scratch, uint32_t y0, uint32_t y1);

enum { ES_DEPTHWISE_COLUMN_BYTES = ES_DEPTHWISE_SIDE * ES_VECTOR };

/* Columns that a tile sees: pixels go two by two or, by stride 2, four by four. */
static inline uint64_t es_depthwise_vectors_columns(const es_depthwise_vectors_params_t *p,
                                                    uint32_t out_w) {
    const uint64_t together = p->stride_w == 1 ? 2 : 4;
    const uint64_t pixels = p->tile_w < out_w ? p->tile_w : out_w;

    return (pixels + together - 1) / together * together * p->stride_w + 2;
}

#endif
