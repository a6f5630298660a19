@ The inner loops of fully_connected_pairs.c, for cores with the DSP extension (Cortex-M4, M7, M33).
@ Contracts: es_dense_pairs.h. C twin: ../ref/fully_connected_pairs.c.
@
@ r0, r2   sums of the even channels of a block
@ r1, r3   sums of the even channel + 256 * the odd one, of each pair
@ r4       the input                      r5  the weights
@ r6       where a loop ends              r7, r8    taps 0 and 2, taps 1 and 3
@ r9-r12   the weights of a quad: of each pair taps 0 and 2, then taps 1 and 3
@ The place of ADDEND in the job lies at the top of the stack, below it a word for the dot products'
@ return: they are called through a pointer and take no stack of their own.

    .syntax unified
    .thumb
    .text

    .equ ADDEND, 12                 @ in a job, behind X, BODY and DOT; the others from here
    .equ OUT, 4                     @ BLOCKS and OUT_END follow
    .equ END, 16
    .equ WEIGHTS, 20
    .equ SKIP, 24
    .equ SUMS, 28                   @ and SUMS_END
    .equ RETURN, 4                  @ in the stack
    .equ SCALES, 16                 @ in a block

@ ---- Dot products of a block -----------------------------------------------------------------

    .macro multiply_quad
    smlad   r1, r9, r7, r1
    sxtb16  r9, r9                  @ the even channel's weights
    smlad   r3, r11, r7, r3
    sxtb16  r11, r11
    smlad   r0, r9, r7, r0
    smlad   r2, r11, r7, r2
    smlad   r1, r10, r8, r1
    sxtb16  r10, r10
    smlad   r3, r12, r8, r3
    sxtb16  r12, r12
    smlad   r0, r10, r8, r0
    smlad   r2, r12, r8, r2
    .endm

    .macro quad_of_bytes
    ldr     r8, [r4], #4
    ldm     r5!, {r9-r12}
    sxtb16  r7, r8
    sxtb16  r8, r8, ror #8
    multiply_quad
    .endm

    .macro two_quads_of_bytes
    ldm     r4!, {r8, lr}
    ldm     r5!, {r9-r12}
    sxtb16  r7, r8
    sxtb16  r8, r8, ror #8
    multiply_quad
    ldm     r5!, {r9-r12}
    sxtb16  r7, lr
    sxtb16  r8, lr, ror #8
    multiply_quad
    .endm

    .macro quad_of_halves
    ldm     r4!, {r7, r8}
    ldm     r5!, {r9-r12}
    multiply_quad
    .endm

    .macro two_quads_of_halves
    quad_of_halves
    quad_of_halves
    .endm

@ Passes of bytes need a register more than there is, and take the return's.
    .macro enter_bytes
    str     lr, [sp, #RETURN]
    .endm

    .macro leave_bytes
    ldr     pc, [sp, #RETURN]
    .endm

    .macro enter_halves
    .endm

    .macro leave_halves
    bx      lr
    .endm

@ name: first the quads that passes of eight leave over, up to r6. name_passes: passes of eight up to
@ r6, at least one; the input is aligned.
    .macro dot name, quad, two_quads, enter, leave
    .section .text.\name, "ax", %progbits
    .global \name
    .type \name, %function
    .thumb_func
\name:
    \quad
    cmp     r4, r6
    bne     \name
    ldr     r6, [sp]
    ldr     r6, [r6, #END]
    cmp     r4, r6
    it      eq
    bxeq    lr
    .global \name\()_passes
    .type \name\()_passes, %function
    .thumb_func
\name\()_passes:
    \enter
1:  \two_quads
    \two_quads
    \two_quads
    \two_quads
    cmp     r4, r6
    bne     1b
    \leave
    .size \name, . - \name
    .endm

    dot es_dense_dot_bytes, quad_of_bytes, two_quads_of_bytes, enter_bytes, leave_bytes
    dot es_dense_dot_halves, quad_of_halves, two_quads_of_halves, enter_halves, leave_halves

@ ---- Whole rows ------------------------------------------------------------------------------

@ r6 addend, r7 out
    .macro finish acc, multiplier, exponent
    smmul   \acc, \acc, \multiplier
    asr     \acc, \acc, \exponent
    add     \acc, \acc, r6
    ssat    \acc, #8, \acc, asr #1
    strb    \acc, [r7], #1
    .endm

    .section .text.es_dense_whole, "ax", %progbits
    .global es_dense_whole
    .type es_dense_whole, %function
    .thumb_func
es_dense_whole:
    adds    r0, #ADDEND
    push    {r0, r1, r4-r11, lr}
    mov     r12, r0
    ldr     r5, [r0, #WEIGHTS]
    ldr     r8, [r0, #OUT + 4]
1:  ldmdb   r12, {r4, r6, r7}
    ldm     r8, {r0-r3}             @ where the sums start
    blx     r7
    ldr     r12, [sp]
    sub     r1, r1, r0              @ 256 times the odd channel's
    sub     r3, r3, r2
    ldm     r12, {r6-r8, r11}
    adds    r8, #SCALES
    ldm     r8!, {r4, r9, r10, lr}
    finish  r0, r4, r9
    finish  r1, r10, lr
    ldm     r8!, {r4, r9, r10, lr}
    finish  r2, r4, r9
    finish  r3, r10, lr
    strd    r7, r8, [r12, #OUT]
    cmp     r7, r11
    bne     1b
    pop     {r0, r1, r4-r11, pc}
    .size es_dense_whole, . - es_dense_whole

@ ---- Rows as they come -----------------------------------------------------------------------

    .section .text.es_dense_sums, "ax", %progbits
    .global es_dense_sums
    .type es_dense_sums, %function
    .thumb_func
es_dense_sums:
    adds    r0, #ADDEND
    push    {r0, r1, r4-r11, lr}
    mov     r12, r0
    ldr     r5, [r0, #WEIGHTS]
1:  ldmdb   r12, {r4, r6, r7}
    movs    r0, #0
    movs    r1, #0
    movs    r2, #0
    movs    r3, #0
    blx     r7
    ldr     r12, [sp]
    ldrd    r8, r7, [r12, #SUMS]
    ldr     r6, [r12, #SKIP]
    ldm     r8, {r4, r9-r11}
    sub     r1, r1, r0              @ 256 times the odd channel's
    sub     r3, r3, r2
    add     r0, r0, r4
    add     r1, r9, r1, asr #8
    add     r2, r2, r10
    add     r3, r11, r3, asr #8
    stm     r8!, {r0-r3}
    add     r5, r5, r6
    str     r8, [r12, #SUMS]
    cmp     r8, r7
    bne     1b
    pop     {r0, r1, r4-r11, pc}
    .size es_dense_sums, . - es_dense_sums

@ ---- Widening --------------------------------------------------------------------------------

@ r0 to, r1 from, r2 quads
    .section .text.es_dense_widen, "ax", %progbits
    .global es_dense_widen
    .type es_dense_widen, %function
    .thumb_func
es_dense_widen:
    push    {r4, lr}
    lsrs    r2, r2, #1
    bcc     1f
    ldr     r3, [r1], #4            @ the odd one
    sxtb16  r12, r3
    sxtb16  r3, r3, ror #8
    strd    r12, r3, [r0], #8
    beq     2f
1:  ldr     r12, [r1, #4]           @ which need not be aligned
    ldr     r3, [r1], #8
    subs    r2, r2, #1
    sxtb16  lr, r12, ror #8
    sxtb16  r12, r12
    sxtb16  r4, r3, ror #8
    sxtb16  r3, r3
    stm     r0!, {r3, r4, r12, lr}
    bne     1b
2:  pop     {r4, pc}
    .size es_dense_widen, . - es_dense_widen
