@ The inner loops of conv_winograd.c, for cores with the DSP extension (Cortex-M4, M7, M33).
@ Contracts: ../es_winograd.h. C twin: ../ref/conv_winograd.c.

    .syntax unified
    .thumb
    .text

@ es_winograd_block_t: 24 pixels seen, then
    .equ OUT, 96
    .equ SPREAD, 128                @ SUMS and STREAM follow
    .equ QUADS, 140                 @ PAIRS follows

@ ---- Transforming the input ------------------------------------------------------------------
@
@ Four channels at a time: first by columns, into the block's sums as [row][column][parity], then by
@ rows of these. Rows and columns go in the order 1, 2, 0, 3.

    .equ LINE, 48                   @ bytes of a row of columns

@ r0 block. The frame: the block, where the first element goes, bytes to the next element, quads left
    .section .text.es_winograd_spread, "ax", %progbits
    .global es_winograd_spread
    .type es_winograd_spread, %function
    .thumb_func
es_winograd_spread:
    push    {r4-r11, lr}
    ldr     r2, [r0, #SPREAD]
    ldr     r4, [r0, #QUADS]
    lsl     r3, r4, #4
    movs    r1, #0                  @ the channel
    push    {r0-r4}
1:  ldr     r2, [r0, #SPREAD + 4]
    add     lr, r2, #LINE
2:  ldmia   r0!, {r4-r7}            @ the pixels of a column
    ldr     r4, [r4, r1]
    ldr     r5, [r5, r1]
    ldr     r6, [r6, r1]
    ldr     r7, [r7, r1]
    sxtb16  r8, r4                  @ channels 0 and 2
    sxtb16  r9, r5
    sxtb16  r10, r6
    sxtb16  r11, r7
    sxtb16  r4, r4, ror #8          @ channels 1 and 3
    sxtb16  r5, r5, ror #8
    sxtb16  r6, r6, ror #8
    sxtb16  r7, r7, ror #8
    sadd16  r12, r9, r10
    sadd16  r3, r5, r6
    ssub16  r11, r9, r11
    ssub16  r7, r5, r7
    ssub16  r8, r8, r10
    ssub16  r4, r4, r6
    ssub16  r10, r10, r9
    ssub16  r6, r6, r5
    strd    r10, r6, [r2, #LINE]
    strd    r8, r4, [r2, #2 * LINE]
    strd    r11, r7, [r2, #3 * LINE]
    strd    r12, r3, [r2], #8
    cmp     r2, lr
    bne     2b
    sub     r2, r2, #LINE
    add     lr, r2, #4 * LINE
    ldrd    r0, r1, [sp, #8]        @ the first element, bytes to the next
3:  ldrd    r4, r6, [r2, #8]        @ columns 1, 2, 3 and 4
    ldrd    r5, r7, [r2, #16]
    ldrd    r8, r10, [r2, #24]
    ldrd    r9, r11, [r2, #32]
    sadd16  r3, r4, r5
    sadd16  r12, r8, r9
    strd    r3, r12, [r0]
    sadd16  r3, r6, r7
    sadd16  r12, r10, r11
    strd    r3, r12, [r0, #8]
    add     r0, r0, r1, lsl #2      @ four rows an element's column
    ssub16  r3, r5, r4
    ssub16  r12, r9, r8
    strd    r3, r12, [r0]
    ssub16  r3, r7, r6
    ssub16  r12, r11, r10
    strd    r3, r12, [r0, #8]
    add     r0, r0, r1, lsl #2
    ssub16  r9, r5, r9
    ldrd    r3, r12, [r2]           @ column 0
    ssub16  r3, r3, r5
    strd    r3, r9, [r0]
    ssub16  r11, r7, r11
    ssub16  r12, r12, r7
    strd    r12, r11, [r0, #8]
    add     r0, r0, r1, lsl #2
    ldrd    r3, r12, [r2, #40]      @ column 5
    ssub16  r4, r4, r8
    ssub16  r3, r8, r3
    strd    r4, r3, [r0]
    ssub16  r6, r6, r10
    ssub16  r12, r10, r12
    strd    r6, r12, [r0, #8]
    sub     r0, r0, r1, lsl #4      @ back, and on to the next row
    add     r0, r0, r1, lsl #2
    add     r0, r0, r1
    adds    r2, r2, #LINE
    cmp     r2, lr
    bne     3b
    pop     {r0-r4}
    adds    r1, r1, #4
    adds    r2, r2, #16
    subs    r4, r4, #1
    push    {r0-r4}
    bne     1b
    add     sp, sp, #20
    pop     {r4-r11, pc}
    .size es_winograd_spread, . - es_winograd_spread

@ ---- Multiplying -----------------------------------------------------------------------------
@
@ r0      the weight stream             r1      the spread tiles
@ r2, r3  channels 0 and 2 of four, of both output channels; r4, r5: channels 1 and 3
@ r6, r7  the same of both tiles; r12, lr: channels 1 and 3
@ r8, r9  sums of the first output channel, of both tiles; r10, r11: of the second

    .macro quad first=smlad
    ldmia   r0!, {r2-r5}
    ldmia   r1!, {r6, r7, r12, lr}
    .ifc \first, smuad
    smuad   r8, r6, r2
    smuad   r9, r7, r2
    smuad   r10, r6, r3
    smuad   r11, r7, r3
    .else
    smlad   r8, r6, r2, r8
    smlad   r9, r7, r2, r9
    smlad   r10, r6, r3, r10
    smlad   r11, r7, r3, r11
    .endif
    smlad   r8, r12, r4, r8
    smlad   r9, lr, r4, r9
    smlad   r10, r12, r5, r10
    smlad   r11, lr, r5, r11
    .endm

    .equ UNROLLED, 8
@ The frame.
    .equ TO, 0                      @ where an element's sums go
    .equ BEHIND, 4                  @ and its tiles end
    .equ LAST, 8                    @ behind all sums
    .equ STRIDE, 12                 @ bytes of an element's tiles
    .equ BEGIN, 16                  @ where the loop begins
    .equ FIRST, 20                  @ sums
    .equ TILES, 24
    .equ FINISH, 28
    .equ BLOCK, 32
    .equ LEFT, 36                   @ pairs of output channels
    .equ FRAME, 40

    .equ ELEMENT, 16                @ bytes of its four sums
    .equ COLUMN, 64                 @ of a column of elements

@ Four sums, in r2-r5, and how two rows or columns of a tile are made of them.
    .macro plus_minus
    add     r10, r2, r6
    add     r11, r3, r7
    add     r12, r4, r8
    add     lr, r5, r9
    subs    r2, r2, r6
    subs    r3, r3, r7
    sub     r4, r4, r8
    sub     r5, r5, r9
    .endm

    .macro plus_first
    add     r10, r10, r6
    add     r11, r11, r7
    add     r12, r12, r8
    add     lr, lr, r9
    .endm

    .macro minus_last
    subs    r2, r2, r6
    subs    r3, r3, r7
    sub     r4, r4, r8
    sub     r5, r5, r9
    .endm

@ r6 multiplier, r7 addend, r8 exponent
    .macro finish value, negatives
    .if \negatives
    lsr     r9, \value, #31
    sub     r9, r7, r9, lsl #1
    smmla   \value, \value, r6, r9
    .else
    smmla   \value, \value, r6, r7
    .endif
    asr     \value, \value, r8
    ssat    \value, #8, \value
    .endm

@ Both rows of outputs, the lower one first: r1 has its columns, r0 the scales. r2-r5: odd columns,
@ r10-lr: even ones, each of tiles 0 and 1 of the first output channel, then of the second.
    .macro outputs negatives
6:  ldrd    r2, r3, [r1]
    ldrd    r4, r5, [r1, #8]
    ldrd    r6, r7, [r1, #COLUMN]
    ldrd    r8, r9, [r1, #COLUMN + 8]
    plus_minus
    ldrd    r6, r7, [r1, #2 * COLUMN]
    ldrd    r8, r9, [r1, #2 * COLUMN + 8]
    plus_first
    ldrd    r6, r7, [r1, #3 * COLUMN]
    ldrd    r8, r9, [r1, #3 * COLUMN + 8]
    minus_last
    ldmia   r0!, {r6-r8}
    finish  r2, \negatives
    finish  r3, \negatives
    finish  r10, \negatives
    finish  r11, \negatives
    ldmia   r0!, {r6-r8}
    finish  r4, \negatives
    finish  r5, \negatives
    finish  r12, \negatives
    finish  lr, \negatives
    bfi     r2, r4, #8, #8
    bfi     r3, r5, #8, #8
    bfi     r10, r12, #8, #8
    bfi     r11, lr, #8, #8
    ldr     r12, [sp, #TO]
    ldm     r12, {r6-r9}
    strh    r3, [r9], #2
    strh    r2, [r8], #2
    strh    r11, [r7], #2
    strh    r10, [r6], #2
    stmia   r12!, {r6-r9}
    ldr     r2, [sp, #BLOCK]
    adds    r2, r2, #OUT + 16
    cmp     r12, r2
    itttt   eq
    streq   r12, [sp, #TO]
    subeq   r0, r0, #24
    addeq   r1, r1, #ELEMENT
    beq     6b
    b       .Lnext
    .endm

@ r0 block, r1 negatives
    .section .text.es_winograd_multiply, "ax", %progbits
    .global es_winograd_multiply
    .type es_winograd_multiply, %function
    .thumb_func
es_winograd_multiply:
    push    {r4-r11, lr}
    sub     sp, sp, #FRAME
    add     r6, r0, #SPREAD
    ldm     r6, {r6-r10}            @ tiles, sums, stream, quads, pairs
    lsl     r5, r9, #4
    add     r4, r7, #16 * ELEMENT
    strd    r4, r5, [sp, #LAST]
    strd    r7, r6, [sp, #FIRST]
    strd    r0, r10, [sp, #BLOCK]
    cmp     r1, #0
    ite     ne
    adrne   r3, 7f + 1
    adreq   r3, 8f + 1
    str     r3, [sp, #FINISH]
    subs    r9, r9, #1
    ands    r2, r9, #UNROLLED - 1   @ quads in the first pass; 0: all
    adr     r4, 9f
    ldr     r4, [r4, r2, lsl #2]
    cmp     r9, #0
    bne     1f
    adr     r4, 3f + 1              @ there is no other quad
1:  str     r4, [sp, #BEGIN]
    mov     r0, r8
.Lpair:
    ldrd    r2, r1, [sp, #FIRST]
    add     r3, r1, r5
    strd    r2, r3, [sp, #TO]
1:  quad    smuad
    ldr     pc, [sp, #BEGIN]
2:  .rept   UNROLLED
    quad
    .endr
3:  ldm     sp, {r2-r5}
    cmp     r1, r3
    bne     2b
    stmia   r2!, {r8-r11}
    add     r3, r3, r5
    strd    r2, r3, [sp, #TO]
    cmp     r2, r4
    bne     1b
    @ Each column of elements becomes that of the lower row and that of the upper one.
    ldr     r1, [sp, #FIRST]
    ldmia   r0!, {r6, r7}           @ biases, four times
    ldmia   r1!, {r2-r5}
    add     r2, r2, r6              @ of the first element: they come to every output
    add     r3, r3, r6
    add     r4, r4, r7
    add     r5, r5, r7
    b       5f
4:  ldmia   r1!, {r2-r5}
5:  ldmia   r1!, {r6-r9}
    plus_minus
    ldmia   r1!, {r6-r9}
    plus_first
    ldmia   r1!, {r6-r9}
    minus_last
    stmdb   r1!, {r2-r5, r10-r12, lr}
    adds    r1, r1, #COLUMN / 2
    ldr     r2, [sp, #LAST]
    cmp     r1, r2
    bne     4b
    sub     r1, r1, #4 * COLUMN - COLUMN / 2
    ldr     r2, [sp, #BLOCK]
    adds    r2, r2, #OUT
    str     r2, [sp, #TO]
    ldr     pc, [sp, #FINISH]
7:  outputs 1
8:  outputs 0
.Lnext:
    ldr     r5, [sp, #STRIDE]
    ldr     r2, [sp, #LEFT]
    subs    r2, r2, #1
    str     r2, [sp, #LEFT]
    bne     .Lpair
    add     sp, sp, #FRAME
    pop     {r4-r11, pc}
    .align 2
9:
    .word   2b + 1
    .set    left, 1
    .rept   UNROLLED - 1
    .word   3b + 1 - left * (3b - 2b) / UNROLLED
    .set    left, left + 1
    .endr
    .size es_winograd_multiply, . - es_winograd_multiply
