# The inner loops of fully_connected_blocks.c, for RV32IMC. Contracts: es_blocks.h. C twin:
# ../ref/fully_connected_blocks.c.
#
# a0       where the sums go              a1  the input           a2  the weights
# a3       taps, then the input's end     a4  the end of its whole eights
# a5       an element                     a6  a weight, a product
# t1-t6, a7, t0  the sums

    .text

    .macro weight offset, sum
    lb      a6, \offset(a2)
    mul     a6, a6, a5
    add     \sum, \sum, a6
    .endm

    .macro tap index, width
    lb      a5, \index(a1)
    weight  \width * \index, t1
    weight  \width * \index + 1, t2
    weight  \width * \index + 2, t3
    weight  \width * \index + 3, t4
    .if \width == 8
    weight  8 * \index + 4, t5
    weight  8 * \index + 5, t6
    weight  8 * \index + 6, a7
    weight  8 * \index + 7, t0
    .endif
    .endm

    .macro dot width
    andi    a4, a3, -8
    add     a4, a4, a1
    add     a3, a3, a1
    li      t1, 0
    li      t2, 0
    li      t3, 0
    li      t4, 0
    li      t5, 0
    li      t6, 0
    li      a7, 0
    li      t0, 0
    beq     a1, a4, 2f
1:  tap     0, \width
    tap     1, \width
    tap     2, \width
    tap     3, \width
    tap     4, \width
    tap     5, \width
    tap     6, \width
    tap     7, \width
    addi    a1, a1, 8
    addi    a2, a2, 8 * \width
    bne     a1, a4, 1b
2:  beq     a1, a3, 4f
3:  tap     0, \width
    addi    a1, a1, 1
    addi    a2, a2, \width
    bne     a1, a3, 3b
4:  sw      t1, 0(a0)
    sw      t2, 4(a0)
    sw      t3, 8(a0)
    sw      t4, 12(a0)
    sw      t5, 16(a0)
    sw      t6, 20(a0)
    sw      a7, 24(a0)
    sw      t0, 28(a0)
    ret
    .endm

    .globl  es_block_dot
    .type   es_block_dot, @function
es_block_dot:
    dot     8
    .size   es_block_dot, . - es_block_dot

    .globl  es_half_block_dot
    .type   es_half_block_dot, @function
es_half_block_dot:
    dot     4
    .size   es_half_block_dot, . - es_half_block_dot
