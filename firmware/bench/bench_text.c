/* Text in and out of the console, by integers alone. */
#include "bench_text.h"

#include "es_port.h"

#include <stddef.h>
#include <string.h>

static uint32_t crc;

static void count_in(char c) {
    crc ^= (uint8_t)c;
    for (int bit = 0; bit < 8; bit++) {
        crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
    }
}

static void put(char c) {
    if (c != '\r') {
        count_in(c);
    }
    es_port_write(c);
}

void text_crc_begin(const char *command) {
    crc = 0xFFFFFFFFu;
    for (; *command != '\0'; command++) {
        count_in(*command);
    }
    count_in('\n');
}

uint32_t text_crc(void) {
    return ~crc;
}

void text_put(const char *text) {
    for (; *text != '\0'; text++) {
        put(*text);
    }
}

void text_number(uint64_t value) {
    char digits[20];
    uint32_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        put(digits[--count]);
    }
}

void text_hex(uint32_t value, uint32_t digits) {
    while (digits > 0) {
        put("0123456789abcdef"[value >> (4 * --digits) & 15]);
    }
}

void text_hex_bytes(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        text_hex(bytes[i], 2);
    }
}

void text_end(void) {
    text_put("\r\n");
}

void text_escaped(const char *text, uint32_t limit) {
    for (uint32_t i = 0; i < limit && text[i] != '\0'; i++) {
        const uint8_t c = (uint8_t)text[i];
        if (c < 0x20 || c > 0x7E || strchr("[]%\\", c) != NULL) {
            text_put("\\x");
            text_hex(c, 2);
        } else {
            put((char)c);
        }
    }
}

/* |value| * 1000 of a finite float, rounded. The mantissa has 24 bits, so 10 more for the 1000. */
static uint64_t milli_of(uint32_t bits) {
    const uint32_t exponent = bits >> 23 & 0xFF;
    const uint64_t mantissa = (bits & 0x7FFFFF) | (exponent != 0 ? 0x800000u : 0);
    const int32_t shift = (int32_t)(exponent != 0 ? exponent : 1) - 150;

    if (shift >= 29) {
        return ((uint64_t)1 << 53) * 1000;
    }
    if (shift >= 0) {
        return (mantissa << shift) * 1000;
    }
    if (shift < -40) {
        return 0;
    }
    return (mantissa * 1000 + ((uint64_t)1 << (-shift - 1))) >> -shift;
}

void text_milli(float value) {
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) {
        text_put("nan");
        return;
    }
    const bool infinite = (bits & 0x7FFFFFFF) == 0x7F800000;
    const uint64_t milli = infinite ? 0 : milli_of(bits);
    if (bits >> 31 && (infinite || milli != 0)) {
        put('-');
    }
    if (infinite) {
        text_put("inf");
        return;
    }
    text_number(milli / 1000);
    put('.');
    for (uint32_t unit = 100; unit > 0; unit /= 10) {
        put((char)('0' + milli / unit % 10));
    }
}

static void fact_begin(const char *key) {
    text_put("m-es-");
    text_put(key);
    text_put("-[");
}

void text_fact(const char *key, const char *value) {
    fact_begin(key);
    text_escaped(value, 128);
    text_put("]\r\n");
}

void text_fact_number(const char *key, uint64_t value) {
    fact_begin(key);
    text_number(value);
    text_put("]\r\n");
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool text_parse(const char *text, uint32_t *value) {
    const bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
    const uint32_t base = hex ? 16 : 10;
    uint64_t sum = 0;

    text += hex ? 2 : 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        const int digit = digit_of(*text);
        if (digit < 0 || (uint32_t)digit >= base) {
            return false;
        }
        sum = sum * base + (uint32_t)digit;
        if (sum > UINT32_MAX) {
            return false;
        }
    }
    *value = (uint32_t)sum;
    return true;
}

int text_hex_byte(const char *text) {
    const int high = digit_of(text[0]);
    const int low = high < 0 ? -1 : digit_of(text[1]);
    return low < 0 ? -1 : high << 4 | low;
}

/* Puts digit `index` of an answer where it belongs; null, or what is wrong with it. */
static const char *take_digit(char digit, uint32_t index, uint8_t *bytes, uint32_t count) {
    const int value = digit_of(digit);

    if (index >= 2 * count) {
        return "the answer is too long";
    }
    if (value < 0) {
        return "a bad hexadecimal digit in the answer";
    }
    uint8_t *byte = &bytes[index / 2];
    *byte = (uint8_t)(index % 2 == 0 ? value << 4 : *byte | value);
    return NULL;
}

/* Everything up to the next %, also of an answer that is wrong: the rest must not become a command.
 */
const char *text_receive(uint8_t *bytes, uint32_t count, uint32_t deadline_ms) {
    const char *fault = NULL;
    uint32_t digits = 0;

    es_port_flush();
    for (;;) {
        const int c = es_port_read(deadline_ms);
        if (c < 0) {
            return "the answer did not come in time";
        }
        if (c == '%') {
            return fault == NULL && digits != 2 * count ? "the answer is too short" : fault;
        }
        if (fault == NULL) {
            fault = take_digit((char)c, digits++, bytes, count);
        }
    }
}
