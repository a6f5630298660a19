@ The inner loop of conv_lanes.c, for ARMv6-M. Contract: es_lanes_walk.h. C twin:
@ ../ref/conv_lanes.c.
@
@ r0       the tile                       r1  the weights
@ r2, r3   the words of a tap             r4  its four weights    r5  a weight, a product
@ r8-r12, lr, r6, r7  the sums
@ On the stack: where the sums go, the end of the tile's whole fours, the tile's end.

    .syntax unified
    .cpu    cortex-m0
    .thumb
    .text

    .equ    OUT, 0
    .equ    FOURS, 4
    .equ    END, 8

    .macro  product one, other
    muls    r5, r2, r5
    add     \one, \one, r5
    sxtb    r5, r4
    muls    r5, r3, r5
    add     \other, \other, r5
    .endm

    .macro  tap
    ldm     r0!, {r2, r3}
    ldm     r1!, {r4}
    sxtb    r5, r4
    product r8, r9
    lsrs    r4, r4, #8
    sxtb    r5, r4
    product r10, r11
    lsrs    r4, r4, #8
    sxtb    r5, r4
    product r12, lr
    lsrs    r4, r4, #8
    sxtb    r5, r4
    product r6, r7
    .endm

    .globl  es_lanes_dot
    .type   es_lanes_dot, %function
    .thumb_func
es_lanes_dot:
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    lsrs    r4, r3, #2
    lsls    r4, r4, #5
    adds    r4, r4, r1
    lsls    r5, r3, #3
    adds    r5, r5, r1
    sub     sp, sp, #12
    str     r0, [sp, #OUT]
    str     r4, [sp, #FOURS]
    str     r5, [sp, #END]
    movs    r0, r1
    movs    r1, r2
    movs    r6, #0
    movs    r7, #0
    mov     r8, r6
    mov     r9, r6
    mov     r10, r6
    mov     r11, r6
    mov     r12, r6
    mov     lr, r6
    cmp     r0, r4
    beq     2f
1:  tap
    tap
    tap
    tap
    ldr     r5, [sp, #FOURS]
    cmp     r0, r5
    bne     1b
2:  ldr     r5, [sp, #END]
    cmp     r0, r5
    beq     3f
    tap
    b       2b
3:  ldr     r5, [sp, #OUT]
    mov     r0, r8
    mov     r1, r9
    mov     r2, r10
    mov     r3, r11
    stm     r5!, {r0-r3}
    mov     r0, r12
    mov     r1, lr
    stm     r5!, {r0, r1, r6, r7}
    add     sp, sp, #12
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}
    .size   es_lanes_dot, . - es_lanes_dot
