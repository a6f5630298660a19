/* LiteRT whose inferences take 2 ms, and 2.8 ms as long as the file HOT is there: a phone that
 * slows down. All else is LiteRT's own, which this library is linked with. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

typedef int run_t(void *, size_t, size_t, void *, size_t, void *);

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int LiteRtRunCompiledModel(void *model, size_t signature, size_t inputs, void *input,
                           size_t outputs, void *output) {
    int64_t end = now_ns() + (access(HOT, F_OK) == 0 ? 2800000 : 2000000);
    run_t *run = (run_t *)dlsym(RTLD_NEXT, "LiteRtRunCompiledModel");
    int status = run(model, signature, inputs, input, outputs, output);
    while (now_ns() < end) {
    }
    return status;
}
