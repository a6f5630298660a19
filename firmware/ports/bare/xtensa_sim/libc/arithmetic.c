/* The arithmetic that lx106's libgcc leaves to the chip's ROM: wide products, quotients, and floats
 * that are rounded to the nearest, ties to even. */
#include <stddef.h>
#include <stdint.h>

uint64_t __umulsidi3(uint32_t a, uint32_t b);
int64_t __muldi3(int64_t a, int64_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b);
int32_t __divsi3(int32_t a, int32_t b);
uint64_t __udivdi3(uint64_t a, uint64_t b);
uint64_t __umoddi3(uint64_t a, uint64_t b);
int64_t __divdi3(int64_t a, int64_t b);
float __addsf3(float a, float b);
float __subsf3(float a, float b);
float __mulsf3(float a, float b);
float __floatsisf(int32_t a);
float __floatunsisf(uint32_t a);

/* Of libgcc. */
uint64_t __udivmoddi4(uint64_t a, uint64_t b, uint64_t *rest);

static uint64_t joined(uint32_t high, uint32_t low) {
    return (uint64_t)high << 32 | low;
}

static uint32_t high_of(uint64_t a) {
    return (uint32_t)(a >> 32);
}

/* By halves: the core multiplies 32 bits by 32, and keeps 32. */
uint64_t __umulsidi3(uint32_t a, uint32_t b) {
    const uint32_t a0 = a & 0xFFFF, a1 = a >> 16, b0 = b & 0xFFFF, b1 = b >> 16;
    const uint32_t low = a0 * b0;
    const uint32_t middle = a1 * b0 + (low >> 16);
    const uint32_t other = a0 * b1 + (middle & 0xFFFF);
    return joined(a1 * b1 + (middle >> 16) + (other >> 16), other << 16 | (low & 0xFFFF));
}

int64_t __muldi3(int64_t a, int64_t b) {
    const uint32_t a0 = (uint32_t)a, b0 = (uint32_t)b;
    const uint32_t crossed = high_of((uint64_t)a) * b0 + a0 * high_of((uint64_t)b);
    const uint64_t low = __umulsidi3(a0, b0);
    return (int64_t)joined(high_of(low) + crossed, (uint32_t)low);
}

/* The quotient bit by bit; dividing by zero gives all ones, as RISC-V has it. */
static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest) {
    uint32_t quotient = 0, bit = 1;

    if (b == 0) {
        *rest = a;
        return UINT32_MAX;
    }
    while (b < a && (int32_t)b > 0) {
        b <<= 1;
        bit <<= 1;
    }
    for (; bit != 0; bit >>= 1, b >>= 1) {
        if (a >= b) {
            a -= b;
            quotient |= bit;
        }
    }
    *rest = a;
    return quotient;
}

uint32_t __udivsi3(uint32_t a, uint32_t b) {
    uint32_t rest;
    return divide(a, b, &rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b) {
    uint32_t rest;
    (void)divide(a, b, &rest);
    return rest;
}

static uint32_t size_of(int32_t a) {
    return a < 0 ? 0u - (uint32_t)a : (uint32_t)a;
}

int32_t __divsi3(int32_t a, int32_t b) {
    uint32_t rest;
    const uint32_t quotient = divide(size_of(a), size_of(b), &rest);
    return (int32_t)((a ^ b) < 0 ? 0u - quotient : quotient);
}

uint64_t __udivdi3(uint64_t a, uint64_t b) {
    return __udivmoddi4(a, b, NULL);
}

uint64_t __umoddi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    (void)__udivmoddi4(a, b, &rest);
    return rest;
}

int64_t __divdi3(int64_t a, int64_t b) {
    const uint64_t x = a < 0 ? 0u - (uint64_t)a : (uint64_t)a;
    const uint64_t y = b < 0 ? 0u - (uint64_t)b : (uint64_t)b;
    const uint64_t quotient = __udivmoddi4(x, y, NULL);
    return (int64_t)((a ^ b) < 0 ? 0u - quotient : quotient);
}

/* Floats: a significand m of 24 bits and three more for rounding stands for m / 2^26 * 2^(e - 127),
 * and the last of the three remembers whatever was shifted out. */
enum {
    ROUNDING_BITS = 3,
    LEADING = 1 << (23 + ROUNDING_BITS),
    LAST_EXPONENT = 255,
    BIAS = 127,
};

static const uint32_t SIGN = 0x80000000u, INFINITE = 0x7F800000u, NOT_A_NUMBER = 0x7FC00000u;

typedef union bits {
    float value;
    uint32_t word;
} bits_t;

static uint32_t word_of(float value) {
    return ((bits_t){.value = value}).word;
}

static float float_of(uint32_t word) {
    return ((bits_t){.word = word}).value;
}

static int exponent_of(uint32_t word) {
    return (int)(word >> 23 & 0xFF);
}

/* Subnormal numbers have exponent 1 and no leading bit. */
static uint32_t significand_of(uint32_t word) {
    return exponent_of(word) == 0 ? word & 0x7FFFFF : (word & 0x7FFFFF) | 0x800000;
}

static uint32_t shifted_out(uint32_t m, int count) {
    if (count == 0) {
        return m;
    }
    return count > 31 ? m != 0 : m >> count | (m << (32 - count) != 0);
}

static float packed(uint32_t sign, int e, uint32_t m) {
    while (m >= 2u * LEADING) {
        m = shifted_out(m, 1);
        e++;
    }
    while (m < LEADING && e > 1 && m != 0) {
        m <<= 1;
        e--;
    }
    if (e < 1) {
        m = shifted_out(m, 1 - e);
        e = 1;
    }
    const uint32_t rest = m & 7;
    m >>= ROUNDING_BITS;
    m += rest > 4 || (rest == 4 && (m & 1));
    if (m >= 0x1000000) {
        m >>= 1;
        e++;
    }
    if (e >= LAST_EXPONENT) {
        return float_of(sign | INFINITE);
    }
    return float_of(sign | (m >= 0x800000 ? (uint32_t)e << 23 : 0) | (m & 0x7FFFFF));
}

float __addsf3(float x, float y) {
    uint32_t a = word_of(x), b = word_of(y);
    if ((a & ~SIGN) < (b & ~SIGN)) {
        const uint32_t larger = b;
        b = a;
        a = larger;
    }
    const int ea = exponent_of(a), eb = exponent_of(b);
    const uint32_t differ = (a ^ b) & SIGN;
    if (ea == LAST_EXPONENT) {
        return float_of(differ && eb == ea ? NOT_A_NUMBER : a);
    }
    const int shift = (ea ? ea : 1) - (eb ? eb : 1);
    const uint32_t ma = significand_of(a) << ROUNDING_BITS;
    const uint32_t mb = shifted_out(significand_of(b) << ROUNDING_BITS, shift);
    if (differ && ma == mb) {
        return 0;
    }
    return packed(a & SIGN, ea ? ea : 1, differ ? ma - mb : ma + mb);
}

float __subsf3(float a, float b) {
    return __addsf3(a, float_of(word_of(b) ^ SIGN));
}

float __mulsf3(float x, float y) {
    const uint32_t a = word_of(x), b = word_of(y), sign = (a ^ b) & SIGN;
    int ea = exponent_of(a), eb = exponent_of(b);
    uint32_t ma = significand_of(a), mb = significand_of(b);

    if (ea == LAST_EXPONENT || eb == LAST_EXPONENT) {
        const int none = (a & ~SIGN) > INFINITE || (b & ~SIGN) > INFINITE;
        return float_of(none || ma == 0 || mb == 0 ? NOT_A_NUMBER : sign | INFINITE);
    }
    if (ma == 0 || mb == 0) {
        return float_of(sign);
    }
    for (ea += ea == 0; ma < 0x800000; ea--) {
        ma <<= 1;
    }
    for (eb += eb == 0; mb < 0x800000; eb--) {
        mb <<= 1;
    }
    const uint64_t product = __umulsidi3(ma, mb);
    const uint32_t high = high_of(product) << 12 | (uint32_t)product >> 20;
    return packed(sign, ea + eb - BIAS, high | (((uint32_t)product & 0xFFFFF) != 0));
}

float __floatunsisf(uint32_t a) {
    return packed(0, BIAS + 23 + ROUNDING_BITS, a);
}

float __floatsisf(int32_t a) {
    return packed(a < 0 ? SIGN : 0, BIAS + 23 + ROUNDING_BITS, size_of(a));
}
