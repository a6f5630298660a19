@ The inner loops of depthwise_vectors.c, for cores with MVE (Cortex-M55, M85).
@ Contracts: es_depthwise_vectors.h. C twin: ../ref/depthwise_vectors.c.

    .syntax unified
    .thumb

@ ---- Packing ---------------------------------------------------------------------------------
@
@ r0 packing. A column is four rows of sixteen channels, the rows of a channel side by side.
    .section .text.es_depthwise_pack, "ax", %progbits
    .global es_depthwise_pack
    .type es_depthwise_pack, %function
    .thumb_func
es_depthwise_pack:
    push    {r4-r8, lr}
    ldrd    lr, r12, [r0, #36]      @ columns, channels
    ldm     r0, {r1-r8}             @ rows, steps
    ldr     r0, [r0, #32]
    vctp.8  r12
    dls     lr, lr
1:  vpstttt
    vldrbt.8 q0, [r1]
    vldrbt.8 q1, [r2]
    vldrbt.8 q2, [r3]
    vldrbt.8 q3, [r4]
    add     r1, r1, r5
    add     r2, r2, r6
    add     r3, r3, r7
    add     r4, r4, r8
    vst40.8 {q0, q1, q2, q3}, [r0]
    vst41.8 {q0, q1, q2, q3}, [r0]
    vst42.8 {q0, q1, q2, q3}, [r0]
    vst43.8 {q0, q1, q2, q3}, [r0]!
    le      lr, 1b
    pop     {r4-r8, pc}
    .size es_depthwise_pack, . - es_depthwise_pack

@ ---- Multiplying -----------------------------------------------------------------------------
@
@ r0, r2, r4, r6      sums of four results    r1, r3, r5, r7  bias, multiplier, addend, -exponent
@ r8                  where they go           r9   the weight stream
@ r10                 channel, times four     r11  where a channel's results begin
@ r12                 step of r8              lr   passes
@ q0                  four columns of four rows, then four results
@ q1                  where columns are       q2   where results go
@ q3                  the multiplier, or signs
@ q4-q7               weights; by two, of the second pixel, of the second row, and of both
@
@ Frame: passes, left, end of r10, masks, the first columns.

    .equ PASSES, 0
    .equ LEFT, 4
    .equ END, 8
    .equ MASK, 12
    .equ MASK_LEFT, 16
    .equ COLUMNS, 20
    .equ FRAME, 40
    .equ WEIGHTS, 4                 @ in the stream, from the word of zeros on
    .equ REST_OF_CHANNEL, 20

    .macro four by_two, negatives, predicated
    vldrw.u32 q0, [q1, #128]!
    vmladav.s8 r0, q0, q4
    .if \by_two
    vmladav.s8 r2, q0, q5
    vmladav.s8 r4, q0, q6
    vmladav.s8 r6, q0, q7
    .else
    vldrw.u32 q0, [q1, #128]!
    vmladav.s8 r2, q0, q4
    vldrw.u32 q0, [q1, #128]!
    vmladav.s8 r4, q0, q4
    vldrw.u32 q0, [q1, #128]!
    vmladav.s8 r6, q0, q4
    .endif
    vmov    q0[2], q0[0], r0, r4
    vmov    q0[3], q0[1], r2, r6
    vadd.i32 q0, q0, r1
    .if \negatives
    vshr.s32 q3, q0, #31
    vqrdmulh.s32 q0, q0, r3
    vadd.i32 q0, q0, q3
    vadd.i32 q0, q0, r5
    .else
    vqrdmlash.s32 q0, q3, r5
    .endif
    vshl.s32 q0, r7
    vqmovnb.s32 q0, q0              @ to int16, then to int8
    vqmovnb.s16 q0, q0
    .if \predicated
    vpst
    vstrbt.32 q0, [r8, q2]
    .else
    vstrb.32 q0, [r8, q2]
    .endif
    add     r8, r8, r12
    .endm

@ r0 product
    .macro product name, by_two, negatives, predicated
    .section .text.\name, "ax", %progbits
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    vpush   {d8-d15}
    sub     sp, sp, #FRAME
    ldm     r0!, {r1-r5}
    stm     sp, {r1-r5}
    vmsr    p0, r5
    ldm     r0!, {r9, r11, r12}
    vldrw.u32 q0, [r0]
    vldrw.u32 q2, [r0, #16]
    vstrw.32 q0, [sp, #COLUMNS]
    mov     r10, #0
1:
    ldm     r9!, {r1, r3, r5, r7}
    vldrw.u32 q1, [sp, #COLUMNS]
    ldr     r0, [sp, #PASSES]
    rsbs    r7, r7, #0
    vadd.i32 q1, q1, r10
    .if \negatives == 0
    vdup.32 q3, r3
    .endif
    vldrb.8 q4, [r9, #WEIGHTS]
    .if \by_two
    vldrb.8 q5, [r9, #WEIGHTS - 4]  @ a column further
    vldrb.8 q6, [r9, #WEIGHTS - 1]  @ a row further
    vldrb.8 q7, [r9, #WEIGHTS - 5]
    .endif
    .if \predicated
    ldr     r2, [sp, #MASK]
    vmsr    p0, r2
    .endif
    mov     r8, r11
    wls     lr, r0, 3f
2:
    four    \by_two, \negatives, \predicated
    le      lr, 2b
3:
    ldr     r0, [sp, #LEFT]
    cbz     r0, 4f
    .if \predicated
    ldr     r2, [sp, #MASK_LEFT]
    vmsr    p0, r2
    .endif
    four    \by_two, \negatives, 1
4:
    ldr     r0, [sp, #END]
    add     r10, r10, #4
    add     r9, r9, #REST_OF_CHANNEL
    add     r11, r11, #1
    cmp     r10, r0
    bne     1b
    add     sp, sp, #FRAME
    vpop    {d8-d15}
    pop     {r4-r11, pc}
    .size \name, . - \name
    .endm

    product es_depthwise_relu_by_two, 1, 0, 0
    product es_depthwise_any_by_two, 1, 1, 0
    product es_depthwise_last_by_two, 1, 1, 1
    product es_depthwise_relu_by_one, 0, 0, 0
    product es_depthwise_any_by_one, 0, 1, 0
