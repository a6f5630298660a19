/* Parameter records and prototypes of the kernels of float32. Sums are float and grow in the order
 * of LiteRT's reference; act_min and act_max bound what is written, and NaN stays NaN. */
#ifndef ES_KERNELS_FLOAT_H
#define ES_KERNELS_FLOAT_H

#include "es_kernels.h"

typedef struct es_conv2d_float_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    float act_min;
    float act_max;
    uint32_t weight_c;
    uint32_t weights;
    uint32_t biases;
} es_conv2d_float_params_t;

/* out[y][x][n] = clamp(sum of weight * in over the taps inside the image, + bias). in, out:
 * float32. weights: float32 [out->c][kernel_h][kernel_w][weight_c]; a group of output channels
 * reads weight_c input channels. Output row y reads input rows y * stride_h - pad_top and after. No
 * scratch. */
void es_conv2d_float(const es_conv2d_float_params_t *params, const float *weights,
                     const float *biases, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
                     uint32_t y1);

typedef struct es_depthwise_float_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t dilation_h, dilation_w;
    uint16_t pad_top, pad_left;
    float act_min;
    float act_max;
    uint32_t multiplier;
    uint32_t weights;
    uint32_t biases;
} es_depthwise_float_params_t;

/* The same of windows of one input channel, n / multiplier. weights: float32
 * [kernel_h][kernel_w][out->c]. No scratch. */
void es_depthwise_float(const es_depthwise_float_params_t *params, const float *weights,
                        const float *biases, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
                        uint32_t y1);

typedef struct es_fully_connected_float_params {
    float act_min;
    float act_max;
    uint32_t weights;
    uint32_t biases;
} es_fully_connected_float_params_t;

/* out[y][n] = clamp(sum of weight * in, + bias). Each row is one vector. in, out: float32, rows of
 * in->w * in->c and out->c. weights: float32 [out->c][in]. No scratch. */
void es_fully_connected_float(const es_fully_connected_float_params_t *params, const float *weights,
                              const float *biases, const es_rows_t *in, const es_rows_t *out,
                              uint32_t y0, uint32_t y1);

typedef struct es_pool_float_params {
    uint16_t kernel_h, kernel_w;
    uint16_t stride_h, stride_w;
    uint16_t pad_top, pad_left;
    float act_min;
    float act_max;
    uint32_t is_max;
} es_pool_float_params_t;

/* Mean or maximum of the window's elements inside the image, channel by channel, clamped. in, out:
 * float32, same c. Output row y reads input rows y * stride_h - pad_top and after. No scratch. */
void es_pool_float(const es_pool_float_params_t *params, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1);

typedef struct es_mean_float_params {
    uint32_t kept_dims[3];
    int32_t kept_strides[3];
    uint32_t reduced_dims[3];
    int32_t reduced_strides[3];
} es_mean_float_params_t;

/* As es_reduce() walks: the sum over the number of elements. in, out: float32; in: dense. No
 * scratch. */
void es_mean_float(const es_mean_float_params_t *params, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1);

enum { ES_FLOAT_ADD, ES_FLOAT_SUB, ES_FLOAT_MUL };

typedef struct es_binary_float_params {
    uint32_t function;
    float act_min;
    float act_max;
} es_binary_float_params_t;

/* out = clamp(a function b). Operands as es_add(), of float32. No scratch. */
void es_binary_float(const es_binary_float_params_t *params, const es_rows_t *a, const es_rows_t *b,
                     const es_rows_t *out, uint32_t y0, uint32_t y1);

enum { ES_FLOAT_CLAMP, ES_FLOAT_LOGISTIC, ES_FLOAT_TANH };

typedef struct es_unary_float_params {
    uint32_t function;
    float low; /* of ES_FLOAT_CLAMP */
    float high;
} es_unary_float_params_t;

/* out = function(in). in, out: float32, in place if so wished. LOGISTIC is within 6e-7 of the exact
 * value, TANH within 1e-6, relative. No scratch. */
void es_unary_float(const es_unary_float_params_t *params, const es_rows_t *in,
                    const es_rows_t *out, uint32_t y0, uint32_t y1);

typedef struct es_softmax_float_params {
    float beta;
} es_softmax_float_params_t;

/* Each run of in->c elements is one distribution: exp(beta * (in - greatest)) by their sum. in,
 * out: float32, same extents. No scratch. */
void es_softmax_float(const es_softmax_float_params_t *params, const es_rows_t *in,
                      const es_rows_t *out, uint32_t y0, uint32_t y1);

#endif
