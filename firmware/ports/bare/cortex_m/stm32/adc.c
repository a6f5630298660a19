/* ADC1 of an STM32F4, a conversion at each tick of the core's SysTick: run in QEMU alone, on no
 * board.
 *
 * A tick's interrupt takes the value of the conversion that the one before it started, then starts
 * the next: a period is longer than a conversion, which start() sees to, so that nothing polls.
 * QEMU's ADC never says that a conversion has ended, and counts up by 7 in each; its TIM3 has no
 * steady period, which is why the tick is not a timer's. */
#include "es_bus.h"
#include "es_port.h"

#include "board.h"

#ifdef BOARD_ADC

#include "core.h"

typedef struct adc {
    volatile uint32_t sr, cr1, cr2, smpr1, smpr2, jofr[4], htr, ltr, sqr1, sqr2, sqr3, jsqr, jdr[4],
        dr;
} adc_t;

typedef struct systick {
    volatile uint32_t control, reload, value;
} systick_t;

typedef struct gpio {
    volatile uint32_t mode;
} gpio_t;

#define ADC          ((adc_t *)BOARD_ADC)
#define SYSTICK      ((systick_t *)0xE000E010u)
#define GPIOA        ((gpio_t *)0x40020000u)
#define GPIO_ENABLED (*(volatile uint32_t *)0x40023830u)
#define ADCS_ENABLED (*(volatile uint32_t *)0x40023844u)
#define VTOR         (*(volatile uint32_t *)0xE000ED08u)

enum {
    SYSTICK_VECTOR = 15,
    SYSTICK_ON = 7, /* counts the core's clock, interrupts */
    SYSTICK_MOST = 1 << 24,
    ADC1_ON = 1 << 8,
    GPIOA_ON = 1 << 0,
    ADON = 1 << 0,
    SWSTART = 1 << 30,
    CHANNELS_OF_PORT_A = 8, /* PA0 to PA7 are channels 0 to 7 */
    ANALOG = 3,
    SAMPLE_84_CYCLES = 4,
    /* 84 + 12 cycles of the ADC's clock, which is at least the core's by eight. */
    CONVERSION = (84 + 12) * 8,
    BITS = 12,
    VECTORS = 128, /* of an STM32F4: 16 + 97 at most, rounded up to a power of two */
};

static es_halves_t halves;

static void tick(void) {
    es_halves_put(&halves, (int16_t)ADC->dr);
    ADC->cr2 = ADON | SWSTART;
}

/* The port's vectors know no tick. A copy that knows it takes their place, so that images without
 * this driver pay nothing. */
static void take_vector(void) {
    static _Alignas(VECTORS * sizeof(uint32_t)) uint32_t vectors[VECTORS];
    const volatile uint32_t *old = (const volatile uint32_t *)VTOR;

    for (uint32_t i = 0; i <= 16 + BOARD_UART_IRQ; i++) {
        vectors[i] = old[i];
    }
    vectors[SYSTICK_VECTOR] = (uint32_t)(uintptr_t)tick;
    __asm volatile("dsb" ::: "memory");
    VTOR = (uint32_t)(uintptr_t)vectors;
}

static void choose(uint32_t channel) {
    GPIOA->mode |= (uint32_t)ANALOG << channel * 2;
    ADC->smpr2 = (uint32_t)SAMPLE_84_CYCLES << channel * 3;
    ADC->sqr1 = 0; /* one conversion */
    ADC->sqr3 = channel;
}

/* An ADC that was switched on is not steady yet: 3 us by the data sheet (ST DS8626, tSTAB). */
static void settle(void) {
    const uint64_t begin = es_port_ticks();
    while (es_port_ticks() - begin <= 3 * (uint64_t)es_port_ticks_hz() / 1000000) {
    }
}

static void stop(void *context) {
    (void)context;
    SYSTICK->control = 0;
    ADC->cr2 = 0;
}

static es_fault_t start(void *context, es_sampling_t *sampling) {
    const uint32_t rate = sampling->rate_hz, period = (BOARD_SYSTICK_HZ + rate / 2) / rate;
    if (sampling->channel >= CHANNELS_OF_PORT_A || period < CONVERSION || period > SYSTICK_MOST) {
        return ES_FAULT_SETUP;
    }
    GPIO_ENABLED |= GPIOA_ON;
    ADCS_ENABLED |= ADC1_ON;
    (void)ADCS_ENABLED; /* the clocks are there once the writes have arrived */
    stop(context);
    es_halves_start(&halves, sampling->samples, sampling->half);
    sampling->actual_mhz = (uint32_t)(UINT64_C(1000) * BOARD_SYSTICK_HZ / period);
    sampling->sample_bits = BITS;
    choose(sampling->channel);
    take_vector();
    ADC->cr2 = ADON;
    settle();
    ADC->cr2 = ADON | SWSTART; /* what the first tick takes */
    SYSTICK->reload = period - 1;
    SYSTICK->value = 0;
    SYSTICK->control = SYSTICK_ON;
    return ES_FAULT_NONE;
}

static uint32_t take(void *context, int16_t *into, uint32_t room, uint32_t *lost) {
    (void)context;
    return es_halves_take(&halves, into, room, lost);
}

static const es_sampler_t sampler = {.start = start, .take = take, .stop = stop};

const es_sampler_t *es_port_adc(uint32_t index) {
    return index == 0 ? &sampler : (const es_sampler_t *)0;
}

#endif
