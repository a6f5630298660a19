/* A Linux process as a board: its console is stdin and stdout, or with --pty a terminal that it
 * opens itself and names on stdout. --model FILE is its flash partition, --pulses FILE stands for
 * the pin of energy mode: what happens to it, and to the console's rate, a line each. With --pty it
 * ends when its standard input does, so that it never outlives the program that started it. */
#define _GNU_SOURCE

#include "es_port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES   (1024 * 1024)
#define PARTITION_MAX (256l * 1024 * 1024)

static int console_in = STDIN_FILENO;
static int console_out = STDOUT_FILENO;
static int watched = -1; /* stdin where the console is a pty */
static void *partition;
static size_t partition_bytes;
static FILE *pulses;
static char **arguments;
static es_port_stack_t stack;
static struct {
    uint8_t data[4096];
    size_t used;
} output;
static struct {
    uint8_t data[4096];
    size_t next, end;
} input;

static _Noreturn void fail(const char *what, const char *name) {
    fprintf(stderr, "%s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

uint64_t es_port_ticks(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t es_port_ticks_hz(void) {
    return 1000000000u;
}

const char *es_port_time_source(void) {
    return "clock_gettime";
}

static void open_pty(void) {
    console_in = console_out = posix_openpt(O_RDWR | O_NOCTTY);
    if (console_in < 0 || grantpt(console_in) != 0 || unlockpt(console_in) != 0) {
        fail("cannot open", "a pty");
    }
    const char *name = ptsname(console_in);
    /* Kept open, so that a client may come and go without ending the line. */
    const int slave = open(name, O_RDWR | O_NOCTTY);
    struct termios raw;
    if (slave < 0 || tcgetattr(slave, &raw) != 0) {
        fail("cannot open", name);
    }
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    watched = STDIN_FILENO;
    printf("%s\n", name);
    fflush(stdout);
}

static void load_partition(const char *name) {
    const int file = open(name, O_RDONLY);
    struct stat facts;
    if (file < 0 || fstat(file, &facts) != 0) {
        fail("cannot open", name);
    }
    if (facts.st_size <= 0 || facts.st_size > PARTITION_MAX) {
        errno = EFBIG;
        fail("cannot load", name);
    }
    partition_bytes = (size_t)facts.st_size;
    if (posix_memalign(&partition, 64, partition_bytes) != 0) {
        fail("cannot load", name);
    }
    for (size_t done = 0; done < partition_bytes;) {
        const ssize_t n = read(file, (uint8_t *)partition + done, partition_bytes - done);
        if (n <= 0) {
            fail("cannot read", name);
        }
        done += (size_t)n;
    }
    close(file);
}

void es_port_start(void) {
    for (char **argument = arguments + 1; *argument != NULL; argument++) {
        if (strcmp(*argument, "--pty") == 0) {
            open_pty();
        } else if (strcmp(*argument, "--model") == 0 && argument[1] != NULL) {
            load_partition(*++argument);
        } else if (strcmp(*argument, "--pulses") == 0 && argument[1] != NULL) {
            pulses = fopen(*++argument, "w");
            if (pulses == NULL) {
                fail("cannot open", *argument);
            }
        } else {
            fprintf(stderr, "usage: %s [--pty] [--model TABLE] [--pulses FILE]\n", arguments[0]);
            exit(2);
        }
    }
}

/* True when console input is there; exits when the watched standard input has ended. */
static int wait_for_input(int timeout_ms) {
    struct pollfd fds[2] = {{.fd = console_in, .events = POLLIN},
                            {.fd = watched, .events = POLLIN}};
    if (poll(fds, 2, timeout_ms) <= 0) {
        return 0;
    }
    if (fds[1].revents != 0) {
        char ignored[64];
        if (read(watched, ignored, sizeof ignored) <= 0) {
            exit(0);
        }
    }
    return fds[0].revents != 0;
}

int es_port_read(uint32_t timeout_ms) {
    es_port_flush();
    const uint64_t deadline = es_port_ticks() + timeout_ms * (uint64_t)1000000;
    while (input.next == input.end) {
        const uint64_t now = es_port_ticks();
        const int left_ms = timeout_ms == ES_PORT_FOREVER ? -1
                            : now < deadline ? (int)((deadline - now + 999999) / 1000000)
                                             : 0;
        if (wait_for_input(left_ms)) {
            const ssize_t n = read(console_in, input.data, sizeof input.data);
            if (n <= 0) {
                return ES_PORT_CLOSED;
            }
            input.next = 0;
            input.end = (size_t)n;
        } else if (left_ms == 0) {
            return ES_PORT_NONE;
        }
    }
    return input.data[input.next++];
}

void es_port_flush(void) {
    for (size_t done = 0; done < output.used;) {
        const ssize_t n = write(console_out, output.data + done, output.used - done);
        if (n < 0 && errno != EINTR) {
            exit(1);
        }
        done += n > 0 ? (size_t)n : 0;
    }
    output.used = 0;
}

void es_port_write(char c) {
    if (output.used == sizeof output.data) {
        es_port_flush();
    }
    output.data[output.used++] = (uint8_t)c;
}

void es_port_idle(void) {
    struct timespec nap = {.tv_nsec = 1000000};
    nanosleep(&nap, NULL);
}

uint32_t es_port_mask(void) {
    return 0;
}

void es_port_unmask(uint32_t state) {
    (void)state;
}

int es_port_watchdog_start(uint32_t timeout_ms) {
    (void)timeout_ms;
    return 0;
}

void es_port_watchdog_feed(void) {}

void es_port_reset(void) {
    es_port_flush();
    execv("/proc/self/exe", arguments);
    fail("cannot restart", arguments[0]);
}

void es_port_fatal(const char *reason) {
    for (const char *s = "e-["; *s != '\0'; s++) {
        es_port_write(*s);
    }
    for (; *reason != '\0'; reason++) {
        es_port_write(*reason);
    }
    for (const char *s = "]\r\n"; *s != '\0'; s++) {
        es_port_write(*s);
    }
    es_port_flush();
    exit(1);
}

es_port_stack_t es_port_stack(void) {
    return stack;
}

static int record(const char *what) {
    if (pulses == NULL) {
        return 0;
    }
    fprintf(pulses, "%llu %s\n", (unsigned long long)es_port_ticks(), what);
    fflush(pulses);
    return 1;
}

int es_port_console_baud(uint32_t baud) {
    char line[32];
    snprintf(line, sizeof line, "baud %u", (unsigned)baud);
    return record(line);
}

int es_port_pulse_start(void) {
    return record("high");
}

void es_port_pulse(void) {
    const struct timespec width = {.tv_nsec = 1000};
    (void)record("low");
    nanosleep(&width, NULL);
    (void)record("high");
}

const void *es_port_partition(size_t *bytes) {
    *bytes = partition_bytes;
    return partition;
}

static void *run(void *unused) {
    (void)unused;
    /* The C library keeps its own things above this frame. */
    stack.high = (uint8_t *)__builtin_frame_address(0);
    es_main();
    es_port_flush();
    exit(0);
}

/* The application runs on a stack of its own, so that its depth can be measured. */
int main(int argc, char **argv) {
    pthread_attr_t attributes;
    pthread_t thread;
    (void)argc;
    arguments = argv;
    if (posix_memalign((void **)&stack.low, 4096, STACK_BYTES) != 0) {
        fail("cannot allocate", "the stack");
    }
    memset(stack.low, ES_PORT_STACK_PAINT, STACK_BYTES);
    pthread_attr_init(&attributes);
    if (pthread_attr_setstack(&attributes, stack.low, STACK_BYTES) != 0 ||
        pthread_create(&thread, &attributes, run, NULL) != 0) {
        fail("cannot start", "the application");
    }
    pthread_join(thread, NULL);
    return 0;
}
