@ The inner loops of fully_connected_wide.c, for cores with the DSP extension (Cortex-M4, M7, M33).
@ Contracts: es_wide_job.h. C twin: ../ref/fully_connected_wide.c.
@
@ r0-r3    sums of a block's channels
@ r4       the input                      r5  the weights
@ r6       where a loop ends; in passes two taps of the input like r7, r8 and lr
@ r9-r12   two taps of each channel
@ The job lies at the top of the stack, behind it a word for the dot products' return: they are called
@ through a pointer and take no stack of their own.

    .syntax unified
    .thumb
    .text

    .equ OUT_END, 8                 @ behind OUT and BLOCKS
    .equ X, 12                      @ and BODY
    .equ END, 20
    .equ DOT, 24
    .equ WEIGHTS, 28
    .equ RETURN, 4                  @ in the stack
    .equ SCALES, 16                 @ in a block

@ ---- Dot products of a block -----------------------------------------------------------------

    .macro multiply taps
    ldm     r5!, {r9-r12}
    smlad   r0, r9, \taps, r0
    smlad   r1, r10, \taps, r1
    smlad   r2, r11, \taps, r2
    smlad   r3, r12, \taps, r3
    .endm

    .macro quad_of_bytes
    ldr     r8, [r4], #4
    sxtb16  r7, r8
    sxtb16  r8, r8, ror #8
    multiply r7
    multiply r8
    .endm

    .macro two_quads_of_bytes
    ldm     r4!, {r7, lr}
    sxtb16  r6, r7
    sxtb16  r7, r7, ror #8
    sxtb16  r8, lr
    sxtb16  lr, lr, ror #8
    multiply r6
    multiply r7
    multiply r8
    multiply lr
    .endm

    .macro quad_of_halves
    ldm     r4!, {r7, r8}
    multiply r7
    multiply r8
    .endm

    .macro two_quads_of_halves
    ldm     r4!, {r6-r8, lr}
    multiply r6
    multiply r7
    multiply r8
    multiply lr
    .endm

@ name: first the quads that passes of eight leave over, up to r6. name_passes: passes of eight up to
@ the end, at least one; the input is aligned.
    .macro dot name, quad, two_quads
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
    str     lr, [sp, #RETURN]
1:  \two_quads
    \two_quads
    \two_quads
    \two_quads
    ldr     r6, [sp]
    ldr     r6, [r6, #END]
    cmp     r4, r6
    bne     1b
    ldr     pc, [sp, #RETURN]
    .size \name, . - \name
    .endm

    dot es_wide_dot_bytes, quad_of_bytes, two_quads_of_bytes
    dot es_wide_dot_halves, quad_of_halves, two_quads_of_halves

@ ---- Whole rows ------------------------------------------------------------------------------

@ r7 out
    .macro finish acc, multiplier, addend, exponent
    smmla   \acc, \acc, \multiplier, \addend
    asr     \acc, \acc, \exponent
    ssat    \acc, #8, \acc
    strb    \acc, [r7], #1
    .endm

    .section .text.es_wide_whole, "ax", %progbits
    .global es_wide_whole
    .type es_wide_whole, %function
    .thumb_func
es_wide_whole:
    push    {r0, r1, r4-r11, lr}
    mov     r12, r0
    ldr     r5, [r0, #WEIGHTS]
    ldr     r8, [r0, #4]            @ blocks
1:  ldrd    r4, r6, [r12, #X]
    ldr     r7, [r12, #DOT]
    ldm     r8, {r0-r3}             @ where the sums start
    blx     r7
    ldr     r12, [sp]
    ldrd    r7, r8, [r12]
    adds    r8, #SCALES
    ldm     r8!, {r4, r6, r9-r11, lr}
    finish  r0, r4, r6, r9
    finish  r1, r10, r11, lr
    ldm     r8!, {r4, r6, r9-r11, lr}
    finish  r2, r4, r6, r9
    finish  r3, r10, r11, lr
    strd    r7, r8, [r12]
    ldr     r11, [r12, #OUT_END]
    cmp     r7, r11
    bne     1b
    pop     {r0, r1, r4-r11, pc}
    .size es_wide_whole, . - es_wide_whole

@ ---- Rows as they come -----------------------------------------------------------------------

@ r0 job, r1 sums
    .section .text.es_wide_add, "ax", %progbits
    .global es_wide_add
    .type es_wide_add, %function
    .thumb_func
es_wide_add:
    push    {r1, r4-r11, lr}
    push    {r0, r1}
    ldr     r5, [r0, #WEIGHTS]
    ldrd    r4, r6, [r0, #X]
    ldr     r7, [r0, #DOT]
    ldm     r1, {r0-r3}
    blx     r7
    ldr     r12, [sp, #8]
    stm     r12, {r0-r3}
    add     sp, sp, #8
    pop     {r1, r4-r11, pc}
    .size es_wide_add, . - es_wide_add

@ ---- Widening --------------------------------------------------------------------------------

@ r0 to, r1 from, r2 quads
    .section .text.es_wide_widen, "ax", %progbits
    .global es_wide_widen
    .type es_wide_widen, %function
    .thumb_func
es_wide_widen:
1:  ldr     r3, [r1], #4
    subs    r2, r2, #1
    sxtb16  r12, r3
    sxtb16  r3, r3, ror #8
    strd    r12, r3, [r0], #8
    bne     1b
    bx      lr
    .size es_wide_widen, . - es_wide_widen
