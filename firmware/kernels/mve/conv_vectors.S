@ The inner loop of conv_vectors.c, for cores with MVE (Cortex-M55, M85).
@ Contract: es_vectors.h. C twin: ../ref/conv_vectors.c.
@
@ r1, r3, r5, r7      the windows of pixels 0 to 3
@ r0, r2, r4, r6      sums of the first channel, of each pixel
@ r8, r10, r12, lr    sums of the second
@ r9                  the weight stream       r11  passes of the loop
@ q5                  where results go        q6, q7  the least and the greatest
@
@ Frame: windows, passes, where the loop begins, out, end, what follows the loop, the product, the
@ stream; fours left, bytes from one four to the next, of the input and of the output; out and end of this four.

    .syntax unified
    .thumb

    .equ BEGIN, 20
    .equ OUT, 24
    .equ FINISH, 32
    .equ STREAM, 36
    .equ FOURS, 40
    .equ OUT_BYTES, 48
    .equ OUT_ROW, 52
    .equ FRAME, 64
    .equ PRODUCT_OFFSETS, 32
    .equ PRODUCT_RANGE, 48
    .equ PRODUCT_NEGATIVES, 56
    .equ PRODUCT_FOURS, 60
    .equ UNROLLED, 4

@ Sixteen taps of four pixels by two channels. `add` is a, or nothing where sums start.
    .macro vector add
    vldrb.8 q4, [r9], #16
    vldrb.8 q0, [r1], #16
    vmladav\add\().s8 r0, q0, q4
    vldrb.8 q1, [r3], #16
    vmladav\add\().s8 r2, q1, q4
    vldrb.8 q2, [r5], #16
    vmladav\add\().s8 r4, q2, q4
    vldrb.8 q3, [r7], #16
    vmladav\add\().s8 r6, q3, q4
    vldrb.8 q4, [r9], #16
    vmladav\add\().s8 r8, q0, q4
    vmladav\add\().s8 r10, q1, q4
    vmladav\add\().s8 r12, q2, q4
    vmladav\add\().s8 lr, q3, q4
    .endm

@ (addend + [-1 if sum < 0] + ((2 * sum * multiplier + 2^31) >> 32)) >> exponent
    .macro scale sums, bias, multiplier, addend, shift, negatives
    vadd.i32 \sums, \sums, \bias
    vdup.32 q3, \multiplier
    .if \negatives
    vshr.s32 q4, \sums, #31
    .endif
    vqrdmlash.s32 \sums, q3, \addend
    .if \negatives
    vadd.i32 \sums, \sums, q4
    .endif
    vshl.s32 \sums, \shift
    .endm

    .macro finish negatives
    vmov    q0[2], q0[0], r0, r4
    vmov    q0[3], q0[1], r2, r6
    vmov    q1[2], q1[0], r8, r12
    vmov    q1[3], q1[1], r10, lr
    ldm     r9!, {r0-r7}            @ bias, multiplier, addend, shift of both
    scale   q0, r0, r1, r2, r3, \negatives
    scale   q1, r4, r5, r6, r7, \negatives
    vqmovnb.s32 q2, q0
    vqmovnt.s32 q2, q1
    ldrd    r8, r10, [sp, #OUT]
    vmax.s16 q2, q2, q6
    vmin.s16 q2, q2, q7
    vstrb.16 q2, [r8, q5]
    add     r8, r8, #2
    str     r8, [sp, #OUT]
    cmp     r8, r10
    bne.w   1b
    b.w     8f
    .endm

@ r0 product
    .section .text.es_vectors_multiply, "ax", %progbits
    .global es_vectors_multiply
    .type es_vectors_multiply, %function
    .thumb_func
    .align 2
es_vectors_multiply:
    push    {r4-r11, lr}
    vpush   {d8-d15}
    sub     sp, sp, #FRAME
    vldrw.u32 q5, [r0, #PRODUCT_OFFSETS]
    ldrd    r10, r11, [r0, #PRODUCT_RANGE]
    vdup.16 q6, r10
    vdup.16 q7, r11
    ldr     r12, [r0, #PRODUCT_NEGATIVES]
    add     r9, r0, #PRODUCT_FOURS
    ldm     r9, {r9-r11}
    add     lr, sp, #FOURS
    stm     lr, {r9-r11}
    ldm     r0, {r1-r8}
    str     r6, [sp, #STREAM]
    strd    r7, r8, [sp, #OUT]
    strd    r7, r8, [sp, #OUT_ROW]
    cmp     r12, #0
    ite     eq
    adreq   r8, 6f + 1
    adrne   r8, 7f + 1
    str     r8, [sp, #FINISH]
    subs    r5, r5, #1              @ vectors beside the first
    and     r6, r5, #UNROLLED - 1
    adr     r7, 9f
    ldr     r7, [r7, r6, lsl #2]
    it      eq
    moveq   r7, r8                  @ there are none
    add     r5, r5, #UNROLLED - 1
    lsr     r5, r5, #2              @ passes
    stm     sp, {r1-r5}
    str     r7, [sp, #BEGIN]
5:
    ldr     r9, [sp, #STREAM]
1:
    ldm     sp, {r1, r3, r5, r7, r11}
    vector
    ldr     pc, [sp, #BEGIN]
2:
    .rept   UNROLLED
    vector  a
    .endr
3:
    subs    r11, r11, #1
    bne     2b
    ldr     pc, [sp, #FINISH]
6:
    finish  0
7:
    finish  1
8:
    ldrd    r9, r10, [sp, #FOURS]
    ldr     r11, [sp, #OUT_BYTES]
    subs    r9, r9, #1
    beq     4f
    str     r9, [sp, #FOURS]
    ldm     sp, {r1, r3, r5, r7}
    add     r1, r1, r10
    add     r3, r3, r10
    add     r5, r5, r10
    add     r7, r7, r10
    stm     sp, {r1, r3, r5, r7}
    ldrd    r1, r3, [sp, #OUT_ROW]
    add     r1, r1, r11
    add     r3, r3, r11
    strd    r1, r3, [sp, #OUT]
    strd    r1, r3, [sp, #OUT_ROW]
    b       5b
4:
    add     sp, sp, #FRAME
    vpop    {d8-d15}
    pop     {r4-r11, pc}
    .align 2
9:
    .word   2b + 1
    .set    left, 1
    .rept   UNROLLED - 1
    .word   3b + 1 - left * (3b - 2b) / UNROLLED
    .set    left, left + 1
    .endr
    .size es_vectors_multiply, . - es_vectors_multiply
