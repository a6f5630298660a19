/* The inner loops of depthwise_relu.c. Their C twin is ../ref/depthwise_relu.c. */
#include "es_depthwise_loops.h"

/* r0 column, r1 output row, r2 end, r3 bias; r4-r9 weights: A and B of each column; r10, r11 the
 * pixels. */
    .macro  one_row name, stride
    function \name
    enter
1:  ldr     r0, [sp, #STREAM]
    ldm     r0!, {r10, r11, r12}
    sxtb16  r4, r10
    sxtb16  r6, r10, ror #8
    sxtb16  r8, r11
    sxtb16  r5, r11, ror #8
    sxtb16  r7, r12
    sxtb16  r9, r12, ror #8
    sadd16  r4, r4, r4
    sadd16  r5, r5, r5
    sadd16  r6, r6, r6
    sadd16  r7, r7, r7
    sadd16  r8, r8, r8
    sadd16  r9, r9, r9
    ldm     r0!, {r3, r10, r11, r12}
    strd    r10, r11, [sp, #MULTIPLIER]
    str     r12, [sp, #EXPONENT]
    str     r0, [sp, #STREAM]
    ldrd    r0, r1, [sp, #COLUMNS]
    ldr     r2, [sp, #COLUMNS + 12]
    add     r10, r0, #8
    add     r11, r1, #1
    strd    r10, r11, [sp, #COLUMNS]
    adds    r2, r2, r0
    cmp     r0, r2
    beq     3f
2:  ldrd    r12, lr, [r0]
    tap_one r10, r4, r5, r3
    ldrd    r12, lr, [r0, #COLUMN]
    tap_one r10, r6, r7, r10
    .if     \stride == 1
    tap_one r11, r4, r5, r3
    .endif
    .if     \stride == 1
    ldrd    r12, lr, [r0, #2 * COLUMN]!
    tap_one r10, r8, r9, r10
    tap_one r11, r6, r7, r11
    ldrd    r12, lr, [r0, #COLUMN]
    .else
    ldrd    r12, lr, [r0, #2 * COLUMN]
    tap_one r10, r8, r9, r10
    tap_one r11, r4, r5, r3
    ldrd    r12, lr, [r0, #3 * COLUMN]
    tap_one r11, r6, r7, r11
    ldrd    r12, lr, [r0, #4 * COLUMN]!
    .endif
    tap_one r11, r8, r9, r11
    ldrd    r12, lr, [sp, #MULTIPLIER]
    smmlar  r10, r10, r12, lr
    smmlar  r11, r11, r12, lr
    ldrd    r12, lr, [sp, #EXPONENT]
    narrow  r10, r12
    narrow  r11, r12
    strb    r10, [r1]
    strb    r11, [r1, lr]
    add     r1, r1, lr, lsl #1
    cmp     r0, r2
    bne     2b
3:  ldrd    r10, r11, [sp, #CHANNELS]
    cmp     r11, #0
    beq     4f
    ldrd    r12, lr, [r0]
    tap_one r11, r4, r5, r3
    ldrd    r12, lr, [r0, #COLUMN]
    tap_one r11, r6, r7, r11
    ldrd    r12, lr, [r0, #2 * COLUMN]
    tap_one r11, r8, r9, r11
    ldrd    r12, lr, [sp, #MULTIPLIER]
    smmlar  r11, r11, r12, lr
    ldr     r12, [sp, #EXPONENT]
    narrow  r11, r12
    strb    r11, [r1]
4:  subs    r10, r10, #1
    str     r10, [sp, #CHANNELS]
    bne     1b
    add     sp, sp, #FRAME
    pop     {r4-r11, pc}
    end_function \name
    .endm

    one_row es_depthwise_relu_1_by_1, 1
    one_row es_depthwise_relu_1_by_2, 2
    two_rows es_depthwise_relu_2_by_1, 1, 1
    two_rows es_depthwise_relu_2_by_2, 1, 2
