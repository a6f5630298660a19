@ The inner loops of fully_connected_blocks.c, for ARMv7-M without the DSP extension (Cortex-M3).
@ Contracts: es_blocks.h. C twin: ../ref/fully_connected_blocks.c.
@
@ r0       where the sums go              r1  the input           r2  the weights
@ r3       taps, then the end of the input's whole fours
@ r4       an element                     r5  a weight
@ r6-r12, lr  the sums
@ On the stack: the input's end.

    .syntax unified
    .thumb
    .text

    .macro  weight sum
    ldrsb   r5, [r2], #1
    mla     \sum, r4, r5, \sum
    .endm

    .macro  tap width
    ldrsb   r4, [r1], #1
    weight  r6
    weight  r7
    weight  r8
    weight  r9
    .if \width == 8
    weight  r10
    weight  r11
    weight  r12
    weight  lr
    .endif
    .endm

    .macro  dot width
    add     r12, r1, r3
    push    {r4-r12, lr}
    bic     r3, r3, #3
    adds    r3, r1, r3
    movs    r6, #0
    movs    r7, #0
    mov     r8, r6
    mov     r9, r6
    mov     r10, r6
    mov     r11, r6
    mov     r12, r6
    mov     lr, r6
    cmp     r1, r3
    beq     2f
1:  tap     \width
    tap     \width
    tap     \width
    tap     \width
    cmp     r1, r3
    bne     1b
2:  ldr     r3, [sp, #32]
3:  cmp     r1, r3
    beq     4f
    tap     \width
    b       3b
4:  stm     r0, {r6-r12, lr}
    pop     {r4-r12, pc}
    .endm

    .globl  es_block_dot
    .type   es_block_dot, %function
    .thumb_func
es_block_dot:
    dot     8
    .size   es_block_dot, . - es_block_dot

    .globl  es_half_block_dot
    .type   es_half_block_dot, %function
    .thumb_func
es_half_block_dot:
    dot     4
    .size   es_half_block_dot, . - es_half_block_dot
