/* Parameter records and prototypes of the kernels of int16 activations, all with zero point 0, and
 * of int8 weights. They are plain loops.
 */
#ifndef ES_KERNELS_16_H
#define ES_KERNELS_16_H

#include "es_kernels.h"

/* Bias, upper half of the multiplier, and the shift to the right behind it. */
typedef struct es_channel_16 {
    int64_t bias;
    int32_t multiplier;
    int32_t shift; /* 8 to 46 */
} es_channel_16_t;

typedef struct es_conv2d_16_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t act_min;
    int32_t act_max;
    uint32_t weight_c;
    uint32_t weights;
    uint32_t channels;
} es_conv2d_16_params_t;

/* out[y][x][n] = clamp((sum * multiplier + half) >> shift) with an int64 sum of bias and weight *
 * in, over the taps inside the image. in, out: int16. weights: int8
 * [out->c][kernel_h][kernel_w][weight_c]; a group of output channels reads weight_c input channels.
 * Output row y reads input rows y * stride_h - pad_top and after. No scratch. */
void es_conv2d_16(const es_conv2d_16_params_t *params, const int8_t *weights,
                  const es_channel_16_t *channels, const es_rows_t *in, const es_rows_t *out,
                  uint32_t y0, uint32_t y1);

typedef struct es_depthwise_16_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    int32_t act_min;
    int32_t act_max;
    uint32_t multiplier;
    uint32_t weights;
    uint32_t channels;
} es_depthwise_16_params_t;

/* The same of windows of one input channel, n / multiplier. weights: int8
 * [kernel_h][kernel_w][out->c]. No scratch. */
void es_depthwise_16(const es_depthwise_16_params_t *params, const int8_t *weights,
                     const es_channel_16_t *channels, const es_rows_t *in, const es_rows_t *out,
                     uint32_t y0, uint32_t y1);

typedef struct es_fully_connected_16_params {
    int32_t act_min;
    int32_t act_max;
    uint32_t weights;
    uint32_t channels;
} es_fully_connected_16_params_t;

/* A factor as multiplier / 2^shift: all 53 bits of a double. */
typedef struct es_dense_channel_16 {
    int64_t bias;
    int64_t multiplier; /* not negative */
    int32_t shift;      /* 1 to 127 */
    int32_t reserved;
} es_dense_channel_16_t;

/* out[y][n] = clamp(bias[n] + sum of weight * in, times the factor, to nearest, ties away from
 * zero). Each row is one vector. in, out: int16, rows of in->w * in->c and out->c. weights: int8
 * [out->c][in]. No scratch. */
void es_fully_connected_16(const es_fully_connected_16_params_t *params, const int8_t *weights,
                           const es_dense_channel_16_t *channels, const es_rows_t *in,
                           const es_rows_t *out, uint32_t y0, uint32_t y1);

/* es_average_pool() and es_max_pool() of int16; a window of at most 2^15 elements. No scratch. */
void es_average_pool_16(const es_pool_params_t *params, const es_rows_t *in, const es_rows_t *out,
                        uint32_t y0, uint32_t y1);
void es_max_pool_16(const es_pool_params_t *params, const es_rows_t *in, const es_rows_t *out,
                    uint32_t y0, uint32_t y1);

typedef struct es_mean_16_params {
    uint32_t kept_dims[3];
    int32_t kept_strides[3];
    uint32_t reduced_dims[3];
    int32_t reduced_strides[3];
    int32_t multiplier;
    int32_t shift;
} es_mean_16_params_t;

/* As es_reduce() walks: clamp(requantize(sum)). in, out: int16; in: dense. No scratch. */
void es_mean_16(const es_mean_16_params_t *params, const es_rows_t *in, const es_rows_t *out,
                uint32_t y0, uint32_t y1);

typedef struct es_add_16_params {
    int32_t factor_1; /* 2^14 or -2^14 */
    int32_t factor_2; /* 1 or -1 */
    int32_t multiplier_2;
    int32_t shift_2;
    int32_t output_multiplier;
    int32_t output_shift;
    int32_t act_min;
    int32_t act_max;
} es_add_16_params_t;

/* out = clamp(requantize(a * factor_1 + factor_2 * requantize(b << 15))); a is the input of the
 * greater scale. Operands as es_add(), of int16. No scratch. */
void es_add_16(const es_add_16_params_t *params, const es_rows_t *a, const es_rows_t *b,
               const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_mul_16_params {
    int32_t multiplier;
    int32_t shift;
    int32_t act_min;
    int32_t act_max;
} es_mul_16_params_t;

/* out = clamp(requantize(a * b)). Operands as es_add(), of int16. No scratch. */
void es_mul_16(const es_mul_16_params_t *params, const es_rows_t *a, const es_rows_t *b,
               const es_rows_t *out, uint32_t y0, uint32_t y1);

#define ES_TABLE_16 513

typedef struct es_softmax_16_params {
    int32_t multiplier;
    int32_t shift;
    uint32_t exponentials;
    uint32_t reciprocals;
} es_softmax_16_params_t;

/* Each run of in->c elements is one distribution: out is 2^15 times its softmax. Both tables have a
 * function at 512 steps over an int16, and its end: exp(x) of x from -10 to 0, 1 / (1 + x) of x
 * from 0 to 1. in, out: int16, same extents; a run has at most 65535 elements. No scratch. */
void es_softmax_16(const es_softmax_16_params_t *params, const int16_t *exponentials,
                   const int16_t *reciprocals, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1);

#define ES_SIGMOID_STEPS 256

typedef struct es_sigmoid_16_params {
    uint32_t is_tanh;
    int32_t multiplier;
    int32_t shift; /* 0 to 31 */
    uint32_t table;
} es_sigmoid_16_params_t;

/* LOGISTIC, or TANH as 2 * logistic(2 * x) - 1, in Q0.15. x = in * multiplier >> shift, rounded, is
 * in 1/12288; the table has 65536 * logistic(i / 24), and what lies between is interpolated. in,
 * out: int16. In place if so wished. No scratch. */
void es_sigmoid_16(const es_sigmoid_16_params_t *params, const uint16_t *table, const es_rows_t *in,
                   const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_rescale_16_params {
    int32_t input_zero_point;
    int32_t output_zero_point;
    int32_t positive_multiplier;
    int32_t positive_shift;
    int32_t negative_multiplier;
    int32_t negative_shift;
    int32_t act_min;
    int32_t act_max;
} es_rescale_16_params_t;

/* out = clamp(requantize(in - zero point) + zero point), with one factor for what is below the zero
 * point and one for the rest: QUANTIZE, RELU and LEAKY_RELU. in, out: int8 or int16 each. In place
 * where both are the same. No scratch. */
void es_rescale_16(const es_rescale_16_params_t *params, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1);

/* es_quantize() to int16 and es_dequantize() from it. No scratch. */
void es_quantize_16(const es_quantize_params_t *params, const es_rows_t *in, const es_rows_t *out,
                    uint32_t y0, uint32_t y1);
void es_dequantize_16(const es_dequantize_params_t *params, const es_rows_t *in,
                      const es_rows_t *out, uint32_t y0, uint32_t y1);

#endif
