/* What the cores of the family do differently: the only place of the port that asks which it is. */
#ifndef CORE_H
#define CORE_H

#include <stdbool.h>
#include <stdint.h>

#define CPACR     (*(volatile uint32_t *)0xE000ED88u)
#define CCR       (*(volatile uint32_t *)0xE000ED14u)
#define SHCSR     (*(volatile uint32_t *)0xE000ED24u)
#define CFSR      (*(volatile uint32_t *)0xE000ED28u)
#define MMFAR     (*(volatile uint32_t *)0xE000ED34u)
#define BFAR      (*(volatile uint32_t *)0xE000ED38u)
#define MPU_CTRL  (*(volatile uint32_t *)0xE000ED94u)
#define MPU_RNR   (*(volatile uint32_t *)0xE000ED98u)
#define MPU_RBAR  (*(volatile uint32_t *)0xE000ED9Cu)
#define MPU_RASR  (*(volatile uint32_t *)0xE000EDA0u)
#define AIRCR     (*(volatile uint32_t *)0xE000ED0Cu)
#define NVIC_ISER ((volatile uint32_t *)0xE000E100u)

enum {
    MLSPERR = 1 << 5,
    MSTKERR = 1 << 4,
    MMARVALID = 1 << 7,
    STKERR = 1 << 12,
    LSPERR = 1 << 13,
    BFARVALID = 1 << 15,
    STKOF = 1 << 20, /* Armv8-M alone; reserved and zero elsewhere */
    CCR_DIV_0 = 1 << 4,
    GUARD_RASR = 0x0F, /* 256 bytes, no access, enabled */
};

/* The unit for floats and vectors, where the compiler uses one. */
static inline void core_enable_fpu(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= 0xFu << 20;
    __asm volatile("dsb\n isb" ::: "memory");
#endif
}

#if __ARM_ARCH == 6

/* One fault for everything, without a reason, and no memory protection. */
enum { CORE_TELLS_FAULTS = 0 };

static inline void core_enable_faults(void) {}

static inline void core_guard_stack(const void *guard, const void *low) {
    (void)guard, (void)low;
}

static inline void core_drop_guard(void) {}

#else

enum { CORE_TELLS_FAULTS = 1 };

/* Memory, bus and usage faults by their own vectors; dividing by zero is one. */
static inline void core_enable_faults(void) {
    SHCSR |= 7u << 16;
    CCR |= CCR_DIV_0;
}

#if __ARM_ARCH >= 8

static inline void core_guard_stack(const void *guard, const void *low) {
    (void)guard;
    __asm volatile("msr msplim, %0" ::"r"(low));
}

static inline void core_drop_guard(void) {
    __asm volatile("msr msplim, %0" ::"r"(0));
}

#else

/* No access to the bytes below the stack: an overflow becomes a fault instead of wrong numbers. */
static inline void core_guard_stack(const void *guard, const void *low) {
    (void)low;
    MPU_RNR = 0;
    MPU_RBAR = (uint32_t)(uintptr_t)guard;
    MPU_RASR = GUARD_RASR;
    MPU_CTRL = 5; /* on, with the default map for everything else */
    __asm volatile("dsb\n isb" ::: "memory");
}

static inline void core_drop_guard(void) {
    MPU_CTRL = 0;
}

#endif
#endif

#endif
