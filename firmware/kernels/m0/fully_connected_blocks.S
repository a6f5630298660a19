@ The inner loops of fully_connected_blocks.c, for ARMv6-M. Contracts: es_blocks.h. C twin:
@ ../ref/fully_connected_blocks.c.
@
@ A block is two halves, one after the other: their sums have registers, and the offsets of four
@ weights as well.
@
@ r0       the input                      r1  the weights
@ r2       an element                     r3  a weight, a product
@ r4-r7    0 to 3                         r8-r11  the sums
@ r12      the input's end                lr  the end of its whole fours

    .syntax unified
    .cpu    cortex-m0
    .thumb
    .text

    .macro  weight offset, sum
    ldrsb   r3, [r1, \offset]
    muls    r3, r2, r3
    add     \sum, \sum, r3
    .endm

    .macro  tap index, width
    ldrsb   r2, [r0, \index]
    weight  r4, r8
    weight  r5, r9
    weight  r6, r10
    weight  r7, r11
    adds    r1, r1, #\width
    .endm

@ r0: where the sums go, r1: the input, r2: the weights, r3: taps
    .macro  half width
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r0, r4-r7}
    lsrs    r4, r3, #2
    lsls    r4, r4, #2
    adds    r4, r4, r1
    mov     lr, r4
    adds    r3, r3, r1
    mov     r12, r3
    movs    r0, r1
    movs    r1, r2
    movs    r4, #0
    movs    r5, #1
    movs    r6, #2
    movs    r7, #3
    mov     r8, r4
    mov     r9, r4
    mov     r10, r4
    mov     r11, r4
    cmp     r0, lr
    beq     2f
1:  tap     r4, \width
    tap     r5, \width
    tap     r6, \width
    tap     r7, \width
    adds    r0, r0, #4
    cmp     r0, lr
    bne     1b
2:  cmp     r0, r12
    beq     3f
    tap     r4, \width
    adds    r0, r0, #1
    b       2b
3:  pop     {r0, r4-r7}
    mov     r1, r8
    mov     r2, r9
    mov     r3, r10
    stm     r0!, {r1-r3}
    mov     r1, r11
    str     r1, [r0]
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}
    .endm

    .globl  es_half_block_dot
    .type   es_half_block_dot, %function
    .thumb_func
es_half_block_dot:
    half    4
    .size   es_half_block_dot, . - es_half_block_dot

    .type   half_of_block, %function
    .thumb_func
half_of_block:
    half    8
    .size   half_of_block, . - half_of_block

    .globl  es_block_dot
    .type   es_block_dot, %function
    .thumb_func
es_block_dot:
    push    {r0-r3, r4, lr}
    bl      half_of_block
    pop     {r0-r3}
    adds    r0, r0, #16
    adds    r2, r2, #4
    bl      half_of_block
    pop     {r4, pc}
    .size   es_block_dot, . - es_block_dot
