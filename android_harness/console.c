/* The console of the shared protocol code: standard input and output of this process. */
#include "es_port.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    char data[65536];
    size_t used;
} output;
static struct {
    char data[65536];
    ssize_t next, end;
} input;

void es_port_flush(void) {
    for (size_t done = 0; done < output.used;) {
        const ssize_t n = write(STDOUT_FILENO, output.data + done, output.used - done);
        if (n <= 0) {
            exit(0); /* nobody listens any more */
        }
        done += (size_t)n;
    }
    output.used = 0;
}

void es_port_write(char c) {
    if (output.used == sizeof output.data) {
        es_port_flush();
    }
    output.data[output.used++] = c;
}

int es_port_read(uint32_t timeout_ms) {
    if (input.next == input.end) {
        struct pollfd waiting = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&waiting, 1, timeout_ms == ES_PORT_FOREVER ? -1 : (int)timeout_ms) <= 0) {
            return ES_PORT_NONE;
        }
        input.next = 0;
        input.end = read(STDIN_FILENO, input.data, sizeof input.data);
        if (input.end <= 0) {
            input.end = 0;
            return ES_PORT_CLOSED;
        }
    }
    return (unsigned char)input.data[input.next++];
}
