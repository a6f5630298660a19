/* CONV_2D by vectors, for cores with MVE: the inner loop is in conv_vectors.S, their C twin is
 * ../ref/conv_vectors.c.
 *
 * Four output pixels at a time; they run on from row to row. Their windows are copied into the
 * scratch before any of the pixels is written, so that four on two rows keep to the rule for
 * outputs over dead input rows. Pointwise layers read whole vectors of the image itself where four
 * pixels lie in one row and the last vector ends inside the operand. */
#include "es_taps.h"
#include "es_vectors.h"

#include <stddef.h>

typedef struct job {
    const es_conv_vectors_params_t *params;
    const es_rows_t *in, *out;
    int8_t *scratch;
    const int8_t *stream, *last; /* of all channels, and of the last two of an odd number */
    uint32_t run;                /* bytes of a kernel row */
    uint32_t window_bytes;       /* in whole vectors */
    uint32_t is_pointwise;
    uint32_t step;  /* from one output pixel to the next, in bytes of an input row */
    uint32_t reach; /* rows that a window spans */
    uint32_t row_y; /* the output row that `row` is whole_row() of */
    const int8_t *row;
    int is_ragged; /* the offsets are not those of four pixels of a row */
    es_vectors_product_t product;
} job_t;

/* Copies `rows` runs of `bytes`, neither of them 0. */
static inline void copy_runs(int8_t *to, uint32_t to_step, const int8_t *from, uint32_t from_step,
                             uint32_t rows, uint32_t bytes) {
    if (bytes <= ES_VECTOR) {
        __asm volatile("vctp.8 %[bytes]\n"
                       "dls lr, %[rows]\n"
                       "1: vpstt\n"
                       "vldrbt.8 q0, [%[from]]\n"
                       "vstrbt.8 q0, [%[to]]\n"
                       "add %[from], %[from], %[from_step]\n"
                       "add %[to], %[to], %[to_step]\n"
                       "le lr, 1b\n"
                       : [to] "+r"(to), [from] "+r"(from)
                       : [bytes] "r"(bytes), [rows] "r"(rows), [from_step] "r"(from_step),
                         [to_step] "r"(to_step)
                       : "lr", "d0", "d1", "memory");
        return;
    }
    for (; rows > 0; rows--, from += from_step, to += to_step) {
        const int8_t *source = from;
        int8_t *target = to;

        __asm volatile("dlstp.8 lr, %[bytes]\n"
                       "1: vldrb.8 q0, [%[from]], #16\n"
                       "vstrb.8 q0, [%[to]], #16\n"
                       "letp lr, 1b\n"
                       : [to] "+r"(target), [from] "+r"(source)
                       : [bytes] "r"(bytes)
                       : "lr", "d0", "d1", "memory");
    }
}

/* The window of output pixel (y, x), part of which lies outside the image or beyond the end of its
 * ring. */
static __attribute__((noinline)) void pack_edge(const job_t *j, int8_t *to, int32_t top,
                                                int32_t left) {
    const es_conv_vectors_params_t *p = j->params;
    const es_rows_t *in = j->in;
    const es_taps_t ky = es_taps(top, in->h, p->dilation_h, p->kernel_h);
    const es_taps_t kx = es_taps(left, in->w, 1, p->kernel_w);
    int8_t *at = to;

    __asm volatile("vdup.8 q0, %[pad]\n"
                   "dlstp.8 lr, %[bytes]\n"
                   "1: vstrb.8 q0, [%[at]], #16\n"
                   "letp lr, 1b\n"
                   : [at] "+r"(at)
                   : [pad] "r"(p->pad), [bytes] "r"(j->window_bytes)
                   : "lr", "d0", "d1", "memory");
    for (uint32_t k = ky.first; k < ky.end && kx.first < kx.end; k++) {
        const uint8_t *row = es_row(in, (uint32_t)top + k * p->dilation_h);

        copy_runs(to + k * j->run + kx.first * in->c, 0,
                  (const int8_t *)row + ((uint32_t)left + kx.first) * in->c, 0, 1,
                  (kx.end - kx.first) * in->c);
    }
}

/* The input row where the windows of output row y begin, or null where they do not lie in the image
 * as rows evenly apart. */
static const int8_t *whole_row(const job_t *j, uint32_t y) {
    const es_rows_t *in = j->in;
    const uint32_t top = y * j->params->stride_h - j->params->pad_top; /* above: very far below */
    const uint32_t row = top < in->depth ? top : top % in->depth;

    if (top >= in->h || top + j->reach > in->h || row + j->reach > in->depth) {
        return NULL;
    }
    return (const int8_t *)in->base + row * in->row_bytes;
}

/* Copies the window of output pixel (y, x). */
static void pack(const job_t *j, int8_t *to, uint32_t y, uint32_t x) {
    const es_conv_vectors_params_t *p = j->params;
    const es_rows_t *in = j->in;
    const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
    const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
    const int8_t *row = whole_row(j, y);

    if (row && left >= 0 && (uint32_t)left + p->kernel_w <= in->w) {
        copy_runs(to, j->run, row + (uint32_t)left * in->c, p->dilation_h * in->row_bytes,
                  p->kernel_h, j->run);
    } else {
        pack_edge(j, to, top, left);
    }
}

static inline void set_offsets(es_vectors_product_t *product, uint32_t pixel, uint32_t offset) {
    product->offsets[pixel][0] = (uint16_t)offset;
    product->offsets[pixel][1] = (uint16_t)(offset + 1);
}

/* How many fours of pixels of row y, from x on, are windows as they lie in the image, and may be
 * read to the end of their last vector. */
static uint32_t fours_in_place(job_t *j, uint32_t y, uint32_t x) {
    const es_rows_t *in = j->in;
    const int8_t *at = (const int8_t *)es_row(in, y * j->params->stride_h) + x * j->step;
    const int8_t *const end = (const int8_t *)in->base + in->depth * in->row_bytes;
    const uint32_t four_bytes = ES_VECTOR_PIXELS * j->step;
    const uint32_t beyond = j->window_bytes > j->step ? j->window_bytes - j->step : 0;
    uint32_t fours = (j->out->w - x) / ES_VECTOR_PIXELS;

    for (uint32_t i = 0; i < ES_VECTOR_PIXELS; i++) {
        j->product.pixels[i] = at + i * j->step;
    }
    while (fours > 0 && (uint32_t)(end - at) < fours * four_bytes + beyond) {
        fours--;
    }
    return fours;
}

/* Copies the windows of four neighbouring pixels of a row. */
static void pack_four(job_t *j, uint32_t y, uint32_t x) {
    const es_conv_vectors_params_t *p = j->params;
    const es_rows_t *in = j->in;
    int8_t *to = j->scratch;
    const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
    const uint32_t end = (uint32_t)left + (ES_VECTOR_PIXELS - 1) * p->stride_w + p->kernel_w;

    if (y != j->row_y) {
        j->row_y = y;
        j->row = whole_row(j, y);
    }
    for (uint32_t i = 0; i < ES_VECTOR_PIXELS; i++) {
        j->product.pixels[i] = to + i * j->window_bytes;
    }
    if (j->row && left >= 0 && end <= in->w) {
        const int8_t *from = j->row + (uint32_t)left * in->c;

        for (uint32_t i = 0; i < ES_VECTOR_PIXELS; i++, from += j->step, to += j->window_bytes) {
            copy_runs(to, j->run, from, p->dilation_h * in->row_bytes, p->kernel_h, j->run);
        }
    } else {
        for (uint32_t i = 0; i < ES_VECTOR_PIXELS; i++, to += j->window_bytes) {
            pack(j, to, y, x + i);
        }
    }
}

/* Copies the windows of up to four pixels from (y, x) on, not below row y1, from row to row as long
 * as their results lie near each other; how many. Behind the last comes the first once more. */
static uint32_t pack_ragged(job_t *j, uint32_t y, uint32_t x, uint32_t y1) {
    es_vectors_product_t *product = &j->product;
    const uint32_t c = j->out->c;
    const int8_t *const first = product->out, *q = first;
    uint32_t count = 0;

    do {
        int8_t *to = j->scratch + count * j->window_bytes;

        pack(j, to, y, x);
        product->pixels[count] = to;
        set_offsets(product, count, (uint32_t)(q - first));
        count++;
        q += c;
        if (++x == j->out->w) {
            x = 0;
            y++;
            if (y == y1) {
                break;
            }
            q = (const int8_t *)es_row(j->out, y);
        }
    } while (count < ES_VECTOR_PIXELS && q > first && q - first < UINT16_MAX - 1);
    for (uint32_t i = count; i < ES_VECTOR_PIXELS; i++) {
        product->pixels[i] = product->pixels[0];
        set_offsets(product, i, 0);
    }
    return count;
}

/* The even channels of what is packed, and the last of an odd number. */
static void multiply(job_t *j) {
    es_vectors_product_t *product = &j->product;
    int8_t *const first = product->out;

    product->end = first + j->out->c / 2 * 2;
    product->stream = j->stream;
    es_vectors_multiply(product);
    if (j->out->c % 2 == 1) {
        product->end = first + j->out->c;
        product->out = product->end - 2;
        product->stream = j->last;
        es_vectors_multiply(product);
    }
}

/* Computes output pixels from (y, x) on, none below row y1; how many. */
static uint32_t pixels(job_t *j, uint32_t y, uint32_t x, uint32_t y1) {
    es_vectors_product_t *product = &j->product;
    const uint32_t c = j->out->c;
    uint32_t count = ES_VECTOR_PIXELS;

    product->out = (int8_t *)es_row(j->out, y) + x * c;
    product->fours = 1;
    if (x + ES_VECTOR_PIXELS > j->out->w) {
        count = pack_ragged(j, y, x, y1);
        j->is_ragged = 1;
    } else {
        const uint32_t fours = j->is_pointwise ? fours_in_place(j, y, x) : 0;

        if (j->is_ragged) {
            for (uint32_t i = 0; i < ES_VECTOR_PIXELS; i++) {
                set_offsets(product, i, i * c);
            }
            j->is_ragged = 0;
        }
        if (fours > 0) {
            product->fours = fours;
            count = fours * ES_VECTOR_PIXELS;
        } else {
            pack_four(j, y, x);
        }
    }
    multiply(j);
    return count;
}

/* True where windows are single pixels, all of them in the image. */
static uint32_t is_pointwise(const es_conv_vectors_params_t *p, const es_rows_t *in,
                             const es_rows_t *out) {
    return p->kernel_h == 1 && p->kernel_w == 1 && p->pad_top == 0 && p->pad_left == 0 &&
           (out->h - 1) * p->stride_h < in->h && (out->w - 1) * p->stride_w < in->w;
}

void es_conv_vectors(const es_conv_vectors_params_t *p, const int8_t *stream, const es_rows_t *in,
                     const es_rows_t *out, void *scratch, uint32_t y0, uint32_t y1) {
    const uint32_t vectors = es_conv_vectors_of(p, in->c);
    job_t job = {
        .params = p,
        .in = in,
        .out = out,
        .scratch = scratch,
        .stream = stream,
        .last = stream + out->c / 2 * es_conv_vectors_pair_bytes(vectors),
        .run = p->kernel_w * in->c,
        .window_bytes = vectors * ES_VECTOR,
        .is_pointwise = is_pointwise(p, in, out),
        .step = p->stride_w * in->c,
        .reach = (p->kernel_h - 1u) * p->dilation_h + 1u,
        .row_y = UINT32_MAX,
        .is_ragged = 1,
        .product =
            {
                .vectors = vectors,
                .act_min = p->act_min,
                .act_max = p->act_max,
                .negatives = p->negatives,
                .in_bytes = ES_VECTOR_PIXELS * p->stride_w * in->c,
                .out_bytes = ES_VECTOR_PIXELS * out->c,
            },
    };
    for (uint32_t y = y0, x = 0; y < y1;) {
        for (x += pixels(&job, y, x, y1); x >= out->w; y++) {
            x -= out->w;
        }
    }
}
