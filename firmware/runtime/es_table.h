/* The records of a model table, byte for byte as docs/FORMAT.md states them.
 *
 * All are little-endian and naturally aligned; offsets count from the start of the table. The
 * host's side is src/edgeserve/table.py; a test compares the two. */
#ifndef ES_TABLE_H
#define ES_TABLE_H

#include "edgeserve.h"

#define ES_MAGIC              0x314D5345u /* "ESM1" */
#define ES_FORMAT_VERSION     5u
#define ES_KERNEL_SET_VERSION 1u

/* The arena is one bank of memory, or several: an address in it has the bank in its two highest
 * bits and the offset in that bank below. So in the first bank addresses are plain offsets. */
#define ES_BANK_SHIFT      30
#define ES_MOST_BANK_BYTES ((1u << ES_BANK_SHIFT) - 16u) /* so that the end has an address */

/* A table is shorter than this, so that an offset and a few bytes stay in 32 bits. */
#define ES_TABLE_LIMIT 0x80000000u

/* A turn of an input that is fed by rows has this bit in its step, and the input's index below. */
#define ES_FEED_BIT 0x8000u
/* Only inputs below this index may be fed by rows. */
#define ES_MOST_FED 8u

/* The model's name, zero-terminated, stands behind the header. Its records stand in one run
 * from `records` on, kind behind kind: operands, steps, turns, the ports of inputs and then of
 * outputs, states. */
typedef struct es_header {
    uint32_t magic;
    uint16_t format_version;
    uint16_t kernel_set_version;
    uint32_t total_bytes;
    uint32_t bank_bytes[ES_MOST_BANKS]; /* of the arena */
    uint32_t rollback_counter;
    uint16_t isa; /* layout family of the weights: 0 is portable */
    uint16_t operand_count;
    uint16_t step_count;
    uint16_t input_count;
    uint16_t output_count;
    uint16_t state_count;
    uint32_t turn_count;
    uint32_t records;
    uint32_t counters; /* arena address of the uint16 row counters of streamed steps */
    uint16_t counter_count;
    uint16_t bank_count;   /* of the arena, from bank 0 on */
    uint8_t sha256[32];    /* of the table with this field and the next zeroed */
    uint8_t signature[64]; /* zero when unsigned */
} es_header_t;

enum { ES_SPACE_ARENA = 0, ES_SPACE_TABLE = 1 };

/* A tensor as rows of w * c dense elements, one row behind the other. All views of a table stand in
 * one array, each checked once, and whoever sees tensors names them by index. */
typedef struct es_operand_record {
    uint32_t offset; /* address in the arena or offset in the table, by `space` */
    uint32_t c;
    uint16_t w;
    uint16_t h;
    uint16_t depth; /* rows of memory: h for a whole tensor */
    uint8_t dtype;
    uint8_t space;
} es_operand_record_t;

typedef struct es_step_record {
    uint16_t kernel;
    uint16_t operands; /* index of the first of input_count + 1 in a row, the output last */
    uint16_t input_count;
    uint16_t reserved;
    uint32_t params;  /* at least the length of a header before the end of the table */
    uint32_t scratch; /* arena address */
    uint32_t scratch_bytes;
    uint16_t flags;
    uint16_t counter; /* 1 + index of its row counter; 0: all rows in one turn */
} es_step_record_t;

/* The step takes rows of its input into int32 sums, which lie in its scratch, and writes its
 * output, a single row, with the last of them. */
#define ES_STEP_ACCUMULATES 1u

/* One turn of a step: its next `rows` output rows, or input rows where it accumulates, top to
 * bottom. Or the next rows of an input, by ES_FEED_BIT. */
typedef struct es_turn_record {
    uint16_t step;
    uint16_t rows;
} es_turn_record_t;

typedef struct es_port_record {
    uint32_t scale; /* float32 bits */
    int32_t zero_point;
    uint32_t shape;   /* uint32[rank], and behind it the name, zero-terminated */
    uint16_t operand; /* the tensor, in any cut of rows */
    uint8_t rank;
    uint8_t is_fed; /* 1: an input that is fed by rows, to a ring */
} es_port_record_t;

typedef struct es_state_record {
    uint32_t offset; /* arena address */
    uint32_t bytes;
    uint32_t fill; /* the byte that it is reset to */
} es_state_record_t;

#endif
