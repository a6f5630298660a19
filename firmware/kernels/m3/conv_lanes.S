@ The inner loop of conv_lanes.c, for ARMv7-M without the DSP extension (Cortex-M3). Contract:
@ es_lanes_walk.h. C twin: ../ref/conv_lanes.c.
@
@ r0       where the sums go, in between the end of the tile's whole fours
@ r1       the tile                       r2  the weights
@ r3       a weight                       r4, r5  the words of a tap
@ r6-r12, lr  the sums
@ On the stack: where the sums go, and the tile's end.

    .syntax unified
    .thumb
    .text

    .macro  weight one, other
    ldrsb   r3, [r2], #1
    mla     \one, r4, r3, \one
    mla     \other, r5, r3, \other
    .endm

    .macro  tap
    ldrd    r4, r5, [r1], #8
    weight  r6, r7
    weight  r8, r9
    weight  r10, r11
    weight  r12, lr
    .endm

    .globl  es_lanes_dot
    .type   es_lanes_dot, %function
    .thumb_func
es_lanes_dot:
    add     r12, r1, r3, lsl #3
    push    {r0, r4-r12, lr}
    bic     r3, r3, #3
    add     r0, r1, r3, lsl #3
    movs    r6, #0
    movs    r7, #0
    mov     r8, r6
    mov     r9, r6
    mov     r10, r6
    mov     r11, r6
    mov     r12, r6
    mov     lr, r6
    cmp     r1, r0
    beq     2f
1:  tap
    tap
    tap
    tap
    cmp     r1, r0
    bne     1b
2:  ldr     r0, [sp, #36]
3:  cmp     r1, r0
    beq     4f
    tap
    b       3b
4:  ldr     r0, [sp]
    stm     r0, {r6-r12, lr}
    pop     {r0, r4-r12, pc}
    .size   es_lanes_dot, . - es_lanes_dot
