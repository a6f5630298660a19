# The inner loop of conv_lanes.c, for RV32IMC. Contract: es_lanes_walk.h. C twin:
# ../ref/conv_lanes.c.
#
# a0       where the sums go              a1  the tile            a2  the weights
# a3       taps, then the tile's end      a4  the end of its whole fours
# a5, a6   the words of a tap             a7  a weight            t0  a product
# t1-t6, s0, s1  the sums

    .text

    .macro weight offset, one, other
    lb      a7, \offset(a2)
    mul     t0, a5, a7
    mul     a7, a6, a7
    add     \one, \one, t0
    add     \other, \other, a7
    .endm

    .macro tap index
    lw      a5, 8 * \index(a1)
    lw      a6, 8 * \index + 4(a1)
    weight  4 * \index, t1, t2
    weight  4 * \index + 1, t3, t4
    weight  4 * \index + 2, t5, t6
    weight  4 * \index + 3, s0, s1
    .endm

    .globl  es_lanes_dot
    .type   es_lanes_dot, @function
es_lanes_dot:
    addi    sp, sp, -16
    sw      s0, 8(sp)
    sw      s1, 12(sp)
    andi    a4, a3, -4
    slli    a4, a4, 3
    slli    a3, a3, 3
    add     a4, a4, a1
    add     a3, a3, a1
    li      t1, 0
    li      t2, 0
    li      t3, 0
    li      t4, 0
    li      t5, 0
    li      t6, 0
    li      s0, 0
    li      s1, 0
    beq     a1, a4, 2f
1:  tap     0
    tap     1
    tap     2
    tap     3
    addi    a1, a1, 32
    addi    a2, a2, 16
    bne     a1, a4, 1b
2:  beq     a1, a3, 4f
3:  tap     0
    addi    a1, a1, 8
    addi    a2, a2, 4
    bne     a1, a3, 3b
4:  sw      t1, 0(a0)
    sw      t2, 4(a0)
    sw      t3, 8(a0)
    sw      t4, 12(a0)
    sw      t5, 16(a0)
    sw      t6, 20(a0)
    sw      s0, 24(a0)
    sw      s1, 28(a0)
    lw      s0, 8(sp)
    lw      s1, 12(sp)
    addi    sp, sp, 16
    ret
    .size   es_lanes_dot, . - es_lanes_dot
