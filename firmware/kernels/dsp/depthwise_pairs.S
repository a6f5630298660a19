/* The inner loops of depthwise_pairs.c. Their C twin is ../ref/depthwise_pairs.c. */
#include "es_depthwise_loops.h"

    two_rows es_depthwise_2_by_1, 0, 1
    two_rows es_depthwise_2_by_2, 0, 2

/* Four pixels, whose columns begin at r2 to r5: r0 is a tap's weights and where its data lie. */
    function es_depthwise_add_taps
    push    {r4-r11, lr}
    ldr     r12, [sp, #36]
    ldm     r12, {r6-r9}
    add     r4, r2, r3, lsl #1
    add     r5, r4, r3
    add     r3, r2, r3
1:  ldrd    r10, r11, [r0], #8
    ldr     r12, [r2, r11]
    ldr     lr, [r3, r11]
    smlad   r6, r12, r10, r6
    smlad   r7, lr, r10, r7
    ldr     r12, [r4, r11]
    ldr     lr, [r5, r11]
    smlad   r8, r12, r10, r8
    smlad   r9, lr, r10, r9
    cmp     r0, r1
    bne     1b
    ldr     r12, [sp, #36]
    stm     r12, {r6-r9}
    pop     {r4-r11, pc}
    end_function es_depthwise_add_taps
