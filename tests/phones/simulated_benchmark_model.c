/* Stands for Google's tool in tests: says what it was given, where it looks for libraries among it,
 * prints the recorded text TEXT, and ends with CODE. With --num_runs=1 (a cold start) it prints
 * COLD. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print(const char *path) {
    FILE *file = fopen(path, "rb");
    int c;
    if (file == NULL) {
        return 1;
    }
    while ((c = getc(file)) != EOF) {
        putchar(c);
    }
    fclose(file);
    return 0;
}

int main(int count, char **arguments) {
    int cold = 0;
    FILE *log = fopen(LOG, "ab");
    const char *libraries = getenv("LD_LIBRARY_PATH");
    for (int i = 1; i < count; i++) {
        cold = cold || strcmp(arguments[i], "--num_runs=1") == 0;
        fprintf(log, "%s ", arguments[i]);
    }
    fprintf(log, "LD_LIBRARY_PATH=%s\n", libraries != NULL ? libraries : "");
    fclose(log);
    return print(cold ? COLD : TEXT) != 0 ? 127 : CODE;
}
