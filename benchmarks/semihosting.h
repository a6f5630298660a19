/* Files beside an emulator, read and written for the image that it runs. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>
#include <string.h>

enum { OPEN = 1, WRITE = 5, READ = 6, EXIT = 0x18, READ_BINARY = 1, WRITE_BINARY = 5 };

#if defined(__xtensa__)
static inline uintptr_t call(uintptr_t number, uintptr_t a, uintptr_t b, uintptr_t c) {
    register uintptr_t r2 __asm("a2") = number;
    register uintptr_t r3 __asm("a3") = a;
    register uintptr_t r4 __asm("a4") = b;
    register uintptr_t r5 __asm("a5") = c;
    __asm volatile("simcall" : "+r"(r2), "+r"(r3) : "r"(r4), "r"(r5) : "memory");
    return r2;
}

static inline uintptr_t file_open(const char *name, uintptr_t mode) {
    /* simcall's open() has Unix numbers: write, create, truncate. */
    return call(5, (uintptr_t)name, mode == READ_BINARY ? 0 : 1 | 0x40 | 0x200, 0644);
}

static inline uint32_t file_read(uintptr_t file, void *to, uint32_t bytes) {
    return (uint32_t)call(3, file, (uintptr_t)to, bytes);
}

static inline void file_write(uintptr_t file, const void *from, uint32_t bytes) {
    (void)call(4, file, (uintptr_t)from, bytes);
}

static inline void leave(void) {
    (void)call(1, 0, 0, 0);
}
#else
static inline uintptr_t call(uintptr_t number, uintptr_t argument) {
#if defined(__arm__)
    register uintptr_t r0 __asm("r0") = number;
    register uintptr_t r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
#else
    register uintptr_t a0 __asm("a0") = number;
    register uintptr_t a1 __asm("a1") = argument;
    __asm volatile(".option push\n .option norvc\n .balign 16\n"
                   "slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n .option pop"
                   : "+r"(a0)
                   : "r"(a1)
                   : "memory");
    return a0;
#endif
}

static inline uintptr_t file_open(const char *name, uintptr_t mode) {
    const uintptr_t block[] = {(uintptr_t)name, mode, strlen(name)};
    return call(OPEN, (uintptr_t)block);
}

/* Semihosting answers how many bytes it did not read. */
static inline uint32_t file_read(uintptr_t file, void *to, uint32_t bytes) {
    const uintptr_t block[] = {file, (uintptr_t)to, bytes};
    return bytes - (uint32_t)call(READ, (uintptr_t)block);
}

static inline void file_write(uintptr_t file, const void *from, uint32_t bytes) {
    const uintptr_t block[] = {file, (uintptr_t)from, bytes};
    (void)call(WRITE, (uintptr_t)block);
}

static inline void leave(void) {
    (void)call(EXIT, 0x20026);
}
#endif

#endif
