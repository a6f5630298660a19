@ The inner loops of conv_pairs.c, for cores with the DSP extension (Cortex-M4, M7, M33).
@ Contracts: ../es_pairs.h. C twin: ../ref/conv_pairs.c.

    .syntax unified
    .thumb
    .text

@ ---- Packing ---------------------------------------------------------------------------------

@ es_pairs_band_t: from, quads, rows, row_step.

    .macro pack_quad
    ldr     r4, [r1], #4
    ldr     r5, [r2], #4
    ldr     r6, [r3], #4
    sxtb16  r7, r4, ror #8          @ taps 1 and 3
    sxtb16  r8, r5, ror #8
    sxtb16  r9, r6, ror #8
    sxtb16  r4, r4                  @ taps 0 and 2
    sxtb16  r5, r5
    sxtb16  r6, r6
    stmia   r0!, {r4-r9}
    .endm

@ r0 tile, r1 band, r2 step
    .section .text.es_pairs_pack, "ax", %progbits
    .global es_pairs_pack
    .type es_pairs_pack, %function
    .thumb_func
es_pairs_pack:
    push    {r4-r11, lr}
    ldm     r1, {r1, r10, r11, r12} @ pixel 0, quads, rows, row step
    sub     r12, r12, r10, lsl #2   @ from the end of a row to the next
    add     r2, r1, r2              @ pixel 1
    rsb     r3, r1, r2, lsl #1      @ pixel 2
1:  lsrs    lr, r10, #1
    bcc     2f
    pack_quad
    beq     3f
2:  pack_quad
    pack_quad
    subs    lr, lr, #1
    bne     2b
3:  add     r1, r1, r12
    add     r2, r2, r12
    add     r3, r3, r12
    subs    r11, r11, #1
    bne     1b
    pop     {r4-r11, pc}
    .size es_pairs_pack, . - es_pairs_pack

@ r0 to, r1 band, r2 apart
    .section .text.es_pairs_pack_pixel, "ax", %progbits
    .global es_pairs_pack_pixel
    .type es_pairs_pack_pixel, %function
    .thumb_func
es_pairs_pack_pixel:
    push    {r4-r7, lr}
    mov     r7, r2
    ldm     r1, {r1, r2, r3, r12}   @ pixel, quads, rows, row step
    sub     r12, r12, r2, lsl #2
1:  mov     r4, r2
2:  ldr     r5, [r1], #4
    subs    r4, r4, #1
    sxtb16  r6, r5
    sxtb16  r5, r5, ror #8
    str     r6, [r0]
    str     r5, [r0, r7]
    add     r0, r0, r7, lsl #1
    bne     2b
    add     r1, r1, r12
    subs    r3, r3, #1
    bne     1b
    pop     {r4-r7, pc}
    .size es_pairs_pack_pixel, . - es_pairs_pack_pixel

@ ---- Multiplying -----------------------------------------------------------------------------
@
@ r0      the weight stream             r1      the tile
@ r2      passes of the loop            r3, r4  two words of weights
@ r5-r7   two taps of pixel 0, 1, 2
@ r8-r10  sums of channel 0, of each pixel
@ r11-lr  sums of channel 0 + 256 * channel 1, of each pixel
@
@ The frame: es_pairs_product_t's out[0..2], end and tile, then passes, where the loop begins, and
@ what follows it.

    .equ TILE, 16
    .equ PASSES, 20
    .equ BEGIN, 24
    .equ FINISH, 28
    .equ FRAME, 36
    .equ PRODUCT_QUADS, 20
    .equ PRODUCT_STREAM, 24

@ Two taps of each pixel by a word of weights. Where the sums start from biases, these stand in the
@ registers of the last pixel, which are written last.
    .macro multiply pixels, width, weights, sum0=r8, both0=r11, sum1=r9, both1=r12
    .if \width > 2
    ldmia   r1!, {r5-r7}
    .else
    ldmia   r1!, {r5, r6}
    .endif
    smlad   r11, r5, \weights, \both0
    .if \pixels > 1
    smlad   r12, r6, \weights, \both1
    .endif
    .if \pixels > 2
    smlad   lr, r7, \weights, lr
    .endif
    sxtb16  \weights, \weights      @ channel 0 alone
    smlad   r8, r5, \weights, \sum0
    .if \pixels > 1
    smlad   r9, r6, \weights, \sum1
    .endif
    .if \pixels > 2
    smlad   r10, r7, \weights, r10
    .endif
    .endm

    .macro first_quad pixels, width
    .if \pixels == 3
    ldmia   r0!, {r10, lr}          @ biases
    .elseif \pixels == 2
    ldmia   r0!, {r9, r12}
    .else
    ldmia   r0!, {r8, r11}
    .endif
    ldrd    r1, r2, [sp, #TILE]
    ldmia   r0!, {r3, r4}
    .if \pixels == 3
    multiply 3, \width, r3, r10, lr, r10, lr
    .elseif \pixels == 2
    multiply 2, \width, r3, r9, r12
    .else
    multiply 1, \width, r3
    .endif
    multiply \pixels, \width, r4
    .endm

    .macro quad pixels, width
    ldmia   r0!, {r3, r4}
    multiply \pixels, \width, r3
    multiply \pixels, \width, r4
    .endm

@ (addend + [-1 if sum < 0] + ((2 * sum * multiplier + 2^31) >> 32)); value holds 2 * sum.
    .macro scale value, multiplier, addend, negatives, temporary
    .if \negatives
    add     \temporary, \addend, \value, asr #31
    smmlar  \value, \value, \multiplier, \temporary
    .else
    smmlar  \value, \value, \multiplier, \addend
    .endif
    .endm

@ clamp(value >> exponent); a shift by register looks at the lowest byte of r5 alone. No flags.
    .macro shift value
    asr     \value, \value, r5
    ssat    \value, #8, \value
    .endm

@ From the sums of a pair to its results, then on to the next pair or out. Only layers whose sums
@ may be negative have pairs in reverse, whose word of exponents is negative.
    .macro finish pixels, negatives
    ldmia   r0!, {r1-r5}            @ multiplier, addend of channel 0; of channel 1; exponents
    sub     r11, r11, r8            @ 256 * channel 1
    lsl     r8, r8, #1
    .if \pixels > 1
    sub     r12, r12, r9
    lsl     r9, r9, #1
    .endif
    .if \pixels > 2
    sub     lr, lr, r10
    lsl     r10, r10, #1
    .endif
    asr     r11, r11, #7            @ 2 * channel 1
    .if \pixels > 1
    asr     r12, r12, #7
    .endif
    .if \pixels > 2
    asr     lr, lr, #7
    .endif
    scale   r8, r1, r2, \negatives, r6
    .if \pixels > 1
    scale   r9, r1, r2, \negatives, r7
    .endif
    .if \pixels > 2
    scale   r10, r1, r2, \negatives, r6
    .endif
    scale   r11, r3, r4, \negatives, r7
    .if \pixels > 1
    scale   r12, r3, r4, \negatives, r6
    .endif
    .if \pixels > 2
    scale   lr, r3, r4, \negatives, r7
    .endif
    shift   r8
    .if \pixels > 1
    shift   r9
    .endif
    .if \pixels > 2
    shift   r10
    .endif
    asrs    r5, r5, #8              @ the exponent of channel 1; N: in reverse
    shift   r11
    .if \pixels > 1
    shift   r12
    .endif
    .if \pixels > 2
    shift   lr
    .endif
    bfi     r8, r11, #8, #8
    .if \pixels > 1
    bfi     r9, r12, #8, #8
    .endif
    .if \pixels > 2
    bfi     r10, lr, #8, #8
    .endif
    .if \negatives
    bpl     5f
    rev16   r8, r8
    .if \pixels > 1
    rev16   r9, r9
    .endif
    .if \pixels > 2
    rev16   r10, r10
    .endif
5:
    .endif
    ldmia   sp, {r1-r4}             @ out of pixel 0, 1, 2; end
    strh    r8, [r1], #2
    .if \pixels > 1
    strh    r9, [r2], #2
    .endif
    .if \pixels > 2
    strh    r10, [r3], #2
    .endif
    stmia   sp, {r1-r3}
    cmp     r1, r4
    bne     1b
    add     sp, sp, #FRAME
    pop     {r4-r11, pc}
    .endm

@ All pairs of channels of so many pixels of a tile of `width`. The loop takes `unrolled` quads a pass (a power
@ of two); the first quad stands before it, and the first pass may begin further down. One or two
@ pixels are rare: their results are finished as if all sums could be negative.
    .macro product pixels, width, unrolled
    ldr     r5, [r0, #PRODUCT_QUADS]
    ldr     r0, [r0, #PRODUCT_STREAM]
    .if \pixels > 2
    cmp     r2, #0
    ite     ne
    adrne   r2, 6f + 1
    adreq   r2, 7f + 1
    .else
    adr     r2, 6f + 1
    .endif
    subs    r5, r5, #1
    and     r3, r5, #\unrolled - 1  @ quads in the first pass; 0: all
    adds    r5, r5, #\unrolled - 1
    lsrs    r5, r5, #\unrolled / 4 + 1
    adr     r4, 9f
    ldr     r4, [r4, r3, lsl #2]
    it      eq
    moveq   r4, r2                  @ there is no other quad
    strd    r5, r4, [sp, #PASSES]
    str     r2, [sp, #FINISH]
1:
    first_quad \pixels, \width
    ldr     pc, [sp, #BEGIN]
2:
    .rept   \unrolled
    quad    \pixels, \width
    .endr
3:
    subs    r2, r2, #1
    bne     2b
    .if \pixels > 2
    ldr     pc, [sp, #FINISH]
    .endif
6:
    finish  \pixels, 1
    .if \pixels > 2
7:
    finish  \pixels, 0
    .endif
    .align 2
9:
    .word   2b + 1
    .set    left, 1
    .rept   \unrolled - 1
    .word   3b + 1 - left * (3b - 2b) / \unrolled
    .set    left, left + 1
    .endr
    .endm

@ r0 product, r1 pixels, r2 negatives
    .section .text.es_pairs_multiply, "ax", %progbits
    .global es_pairs_multiply
    .type es_pairs_multiply, %function
    .thumb_func
es_pairs_multiply:
    push    {r4-r11, lr}
    sub     sp, sp, #FRAME
    ldmia   r0, {r3-r7}
    stmia   sp, {r3-r7}
    cmp     r1, #2
    beq.w   .Ltwo
    blo.w   .Lone
    product 3, 3, 8
.Ltwo:
    product 2, 3, 2
.Lone:
    product 1, 3, 2
    .size es_pairs_multiply, . - es_pairs_multiply

@ r0 product, r1 negatives
    .section .text.es_pairs_multiply_two, "ax", %progbits
    .global es_pairs_multiply_two
    .type es_pairs_multiply_two, %function
    .thumb_func
es_pairs_multiply_two:
    push    {r4-r11, lr}
    sub     sp, sp, #FRAME
    ldmia   r0, {r3-r7}
    stmia   sp, {r3-r7}
    product 2, 2, 4
    .size es_pairs_multiply_two, . - es_pairs_multiply_two
