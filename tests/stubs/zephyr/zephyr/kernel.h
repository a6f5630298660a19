/* The few declarations of Zephyr that our sample uses: to compile it, not to run it. */
#ifndef ZEPHYR_KERNEL_H
#define ZEPHYR_KERNEL_H

#include <stdint.h>

int32_t k_msleep(int32_t milliseconds);

#endif
