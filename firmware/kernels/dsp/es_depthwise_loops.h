/* Assembly that depthwise_pairs.S and depthwise_relu.S share: packing, and windows of 3x3 over two
 * output rows.
 *
 * Pixels are loaded as words at any address, which these cores can unless UNALIGN_TRP is set. */
#ifndef ES_DEPTHWISE_LOOPS_H
#define ES_DEPTHWISE_LOOPS_H

/* clang-format off */
    .syntax unified
    .thumb

/* Frame of a product: the channel's numbers, then the job as es_depthwise_job_t has it. A and B are
 * the pairs of weights (row 0, row 1) and (row 1, row 2) of each column, doubled. */
    .equ    A1, 8
    .equ    A2, 20
    .equ    MULTIPLIER, 28
    .equ    EXPONENT, 36
    .equ    JOB, 40
    .equ    COLUMNS, 44
    .equ    STREAM, 60
    .equ    CHANNELS, 64
    .equ    IS_ODD, 68
    .equ    FRAME, 72

/* Bytes of a column of two pairs, and of three. */
    .equ    COLUMN, 32
    .equ    WIDE_COLUMN, 48

    .equ    AHEAD, 32

    .macro  function name
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .thumb_func
    .type   \name, %function
\name:
    .endm

/* One that several sources have: the linker keeps one of them. benchmarks/sizes.py knows it by its
 * section. */
    .macro  shared_function name
    .section .text.shared.\name, "axG", %progbits, \name, comdat
    .balign 4
    .weak   \name
    .thumb_func
    .type   \name, %function
\name:
    .endm

    .macro  end_function name
    .size   \name, . - \name
    .endm

/* Rows in r0-r4, r5 from minus all bytes of the pixels up to 0, r6 step, r7 columns. */
    .macro  enter_packing
    push    {r4-r11, lr}
    ldr     r8, [r0, #AHEAD]
    ldm     r0, {r0-r7}
    sub     r8, r8, r5
    add     r0, r0, r8
    add     r1, r1, r8
    add     r2, r2, r8
    .endm

/* Two channels of two pairs: r12 has rows 0 and 1 as bytes, lr has rows 2 and 3. */
    .macro  widen_pairs rows01, rows23
    sxtb16  r10, \rows01
    sxtb16  r11, \rows23
    sxtb16  r12, \rows01, ror #8
    sxtb16  lr, \rows23, ror #8
    stm     r7!, {r10, r11, r12, lr}
    .endm

    shared_function es_depthwise_pack_3
    enter_packing
1:  ldr     r8, [r0, r5]
    ldr     r9, [r1, r5]
    pkhbt   r12, r8, r9, lsl #16
    pkhtb   r8, r9, r8, asr #16
    ldr     r9, [r2, r5]
    widen_pairs r12, r9
    asr     r11, r11, #16
    asr     lr, lr, #16
    sxtb16  r10, r8
    sxtb16  r12, r8, ror #8
    stm     r7!, {r10, r11, r12, lr}
    adds    r5, r5, r6
    bne     1b
    pop     {r4-r11, pc}
    end_function es_depthwise_pack_3

    shared_function es_depthwise_pack_4
    enter_packing
    add     r3, r3, r8
1:  ldr     r8, [r0, r5]
    ldr     r9, [r1, r5]
    pkhbt   r12, r8, r9, lsl #16
    pkhtb   r8, r9, r8, asr #16
    ldr     r9, [r2, r5]
    ldr     r10, [r3, r5]
    pkhbt   lr, r9, r10, lsl #16
    pkhtb   r9, r10, r9, asr #16
    widen_pairs r12, lr
    widen_pairs r8, r9
    adds    r5, r5, r6
    bne     1b
    pop     {r4-r11, pc}
    end_function es_depthwise_pack_4

/* Two channels of three pairs: r9 has rows 0 and 1 as bytes, r12 rows 2 and 3, lr row 4. */
    .macro  widen_three first
    sxtb16  r8, r9
    sxtb16  r11, r9, ror #8
    sxtb16  r9, r12
    sxtb16  r12, r12, ror #8
    sxtb    r10, lr, ror #\first
    sxtb    lr, lr, ror #(\first + 8)
    stm     r7!, {r8-r12, lr}
    .endm

    shared_function es_depthwise_pack_5
    enter_packing
    add     r3, r3, r8
    add     r4, r4, r8
1:  ldr     r8, [r0, r5]
    ldr     r9, [r1, r5]
    ldr     r10, [r2, r5]
    ldr     r11, [r3, r5]
    ldr     lr, [r4, r5]
    pkhbt   r9, r8, r9, lsl #16
    pkhbt   r12, r10, r11, lsl #16
    widen_three 0
    ldr     r8, [r0, r5]
    ldr     r9, [r1, r5]
    ldr     r10, [r2, r5]
    ldr     r11, [r3, r5]
    ldr     lr, [r4, r5]
    pkhtb   r9, r9, r8, asr #16
    pkhtb   r12, r11, r10, asr #16
    widen_three 16
    adds    r5, r5, r6
    bne     1b
    pop     {r4-r11, pc}
    end_function es_depthwise_pack_5

/* acc = (2 * acc * multiplier + 2^31) / 2^32 + addend, one less where acc is negative. */
    .macro  scale relu, acc, multiplier, addend, spare
    .if     \relu
    smmlar  \acc, \acc, \multiplier, \addend
    .else
    add     \spare, \addend, \acc, asr #31
    smmlar  \acc, \acc, \multiplier, \spare
    .endif
    .endm

    .macro  narrow acc, exponent
    asr     \acc, \acc, \exponent
    ssat    \acc, #8, \acc
    .endm

    .macro  enter
    push    {r4-r11, lr}
    sub     sp, sp, #FRAME
    ldm     r0, {r0-r7}
    add     r12, sp, #JOB
    stm     r12, {r0-r7}
    .endm

/* One column of a pixel: r12 and lr are rows 0 and 1, and 2 and 3. */
    .macro  tap_one acc, a, b, from
    smlad   \acc, r12, \a, \from
    smlabt  \acc, lr, \b, \acc
    .endm

    .macro  tap_two upper, lower, a, b, from_upper, from_lower
    smlad   \upper, r12, \a, \from_upper
    smlatb  \lower, r12, \a, \from_lower
    smlabt  \upper, lr, \b, \upper
    smlad   \lower, lr, \b, \lower
    .endm

/* The same by stride 2, where the lower pixel has rows 2 to 4: row 4 comes in r12. */
    .macro  tap_row_4 at, lower, b
    ldr     r12, [r0, #(\at * WIDE_COLUMN + 8)]
    smlabt  \lower, r12, \b, \lower
    .endm

    .macro  tap_rows_0_to_3 upper, lower, a, b, from_upper, from_lower
    smlad   \upper, r12, \a, \from_upper
    smlad   \lower, lr, \a, \from_lower
    smlabt  \upper, lr, \b, \upper
    .endm

    .macro  tap_wide at, upper, lower, a, b, from_upper, from_lower
    ldrd    r12, lr, [r0, #(\at * WIDE_COLUMN)]
    tap_rows_0_to_3 \upper, \lower, \a, \b, \from_upper, \from_lower
    tap_row_4 \at, \lower, \b
    .endm

/* Two rows of two pixels: r9 upper left, r10 lower left, r11 upper right, r8 lower right. */
    .macro  four_pixels_1
    ldm     sp, {r4-r8}
    ldrd    r12, lr, [r0]
    tap_two r9, r10, r4, r5, r8, r8
    ldrd    r12, lr, [r0, #COLUMN]
    tap_two r11, r8, r4, r5, r8, r8
    tap_two r9, r10, r6, r7, r9, r10
    ldrd    r4, r5, [sp, #A2]
    ldrd    r12, lr, [r0, #2 * COLUMN]!
    tap_two r9, r10, r4, r5, r9, r10
    tap_two r11, r8, r6, r7, r11, r8
    ldrd    r12, lr, [r0, #COLUMN]
    tap_two r11, r8, r4, r5, r11, r8
    .endm

    .macro  four_pixels_2
    ldm     sp, {r4-r8}
    tap_wide 0, r9, r10, r4, r5, r8, r8
    tap_wide 1, r9, r10, r6, r7, r9, r10
    ldrd    r6, r7, [sp, #A2]
    ldrd    r12, lr, [r0, #2 * WIDE_COLUMN]
    tap_rows_0_to_3 r9, r10, r6, r7, r9, r10
    tap_rows_0_to_3 r11, r8, r4, r5, r8, r8
    tap_row_4 2, r10, r7
    smlabt  r8, r12, r5, r8
    ldrd    r4, r5, [sp, #A1]
    tap_wide 3, r11, r8, r4, r5, r11, r8
    ldrd    r12, lr, [r0, #4 * WIDE_COLUMN]!
    tap_rows_0_to_3 r11, r8, r6, r7, r11, r8
    tap_row_4 0, r8, r7
    .endm

/* Two rows of the last pixel, r9 and r10. */
    .macro  two_pixels_1
    ldm     sp, {r4-r8}
    ldrd    r12, lr, [r0]
    tap_two r9, r10, r4, r5, r8, r8
    ldrd    r12, lr, [r0, #COLUMN]
    tap_two r9, r10, r6, r7, r9, r10
    ldrd    r4, r5, [sp, #A2]
    ldrd    r12, lr, [r0, #2 * COLUMN]
    tap_two r9, r10, r4, r5, r9, r10
    .endm

    .macro  two_pixels_2
    ldm     sp, {r4-r8}
    tap_wide 0, r9, r10, r4, r5, r8, r8
    tap_wide 1, r9, r10, r6, r7, r9, r10
    ldrd    r4, r5, [sp, #A2]
    tap_wide 2, r9, r10, r4, r5, r9, r10
    .endm

/* r0 column, r1 and r2 output rows, r3 end; r4-r7 weights, then multiplier, addend, exponent, step;
 * r8 bias, then a pixel. */
    .macro  two_rows name, relu, stride
    function \name
    enter
1:  ldr     r0, [sp, #STREAM]
    ldm     r0!, {r11, r12, lr}
    sxtb16  r1, r11
    sxtb16  r3, r11, ror #8
    sxtb16  r6, r12
    sxtb16  r2, r12, ror #8
    sxtb16  r4, lr
    sxtb16  r7, lr, ror #8
    sadd16  r1, r1, r1
    sadd16  r2, r2, r2
    sadd16  r3, r3, r3
    sadd16  r4, r4, r4
    sadd16  r6, r6, r6
    sadd16  r7, r7, r7
    ldm     r0!, {r5, r8, r9, r10}
    stm     sp, {r1-r10}
    str     r0, [sp, #STREAM]
    add     r12, sp, #COLUMNS
    ldm     r12, {r0-r3}
    add     r4, r0, #(4 + 4 * \stride)
    add     r5, r1, #1
    add     r6, r2, #1
    stm     r12, {r4-r6}
    adds    r3, r3, r0
    cmp     r0, r3
    beq     3f
2:  four_pixels_\stride
    ldrd    r4, r5, [sp, #MULTIPLIER]
    ldrd    r6, r7, [sp, #EXPONENT]
    scale   \relu, r9, r4, r5, r12
    scale   \relu, r10, r4, r5, r12
    scale   \relu, r11, r4, r5, r12
    scale   \relu, r8, r4, r5, r12
    narrow  r9, r6
    narrow  r10, r6
    narrow  r11, r6
    narrow  r8, r6
    strb    r10, [r2]
    strb    r8, [r2, r7]
    add     r2, r2, r7, lsl #1
    strb    r9, [r1]
    strb    r11, [r1, r7]
    add     r1, r1, r7, lsl #1
    cmp     r0, r3
    bne     2b
3:  ldrd    r4, r5, [sp, #CHANNELS]
    cmp     r5, #0
    beq     4f
    two_pixels_\stride
    ldrd    r4, r5, [sp, #MULTIPLIER]
    ldr     r6, [sp, #EXPONENT]
    scale   \relu, r9, r4, r5, r12
    scale   \relu, r10, r4, r5, r12
    narrow  r9, r6
    narrow  r10, r6
    strb    r10, [r2]
    strb    r9, [r1]
    ldr     r4, [sp, #CHANNELS]
4:  subs    r4, r4, #1
    str     r4, [sp, #CHANNELS]
    bne     1b
    add     sp, sp, #FRAME
    pop     {r4-r11, pc}
    end_function \name
    .endm
/* clang-format on */

#endif
