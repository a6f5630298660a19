/* What LiteRT takes by itself: runs of one compiled model, with nothing between them but a look at
 * the clock each BATCH runs. One line a batch: nanoseconds a run.
 *
 * bare_loop libLiteRt.so MODEL MS BATCH */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    static model_t model;
    if (count != 5) {
        return 2;
    }
    const model_wish_t wish = {.library = arguments[1], .path = arguments[2], .threads = 1};
    const uint64_t batch = strtoull(arguments[4], NULL, 10);
    litert_handle_t inputs[MODEL_PORTS], outputs[MODEL_PORTS];
    if (batch == 0 || !model_open(&model, &wish)) {
        return 1;
    }
    for (size_t i = 0; i < model.input_count; i++) {
        inputs[i] = model.inputs[i].buffer;
    }
    for (size_t i = 0; i < model.output_count; i++) {
        outputs[i] = model.outputs[i].buffer;
    }
    const uint64_t end = now_ns() + strtoull(arguments[3], NULL, 10) * 1000000u;
    for (uint64_t last = now_ns(); last < end;) {
        for (uint64_t i = 0; i < batch; i++) {
            if (model.litert.run(model.compiled, 0, model.input_count, inputs, model.output_count,
                                 outputs) != LITERT_OK) {
                return 1;
            }
        }
        const uint64_t now = now_ns();
        printf("%" PRIu64 "\n", (now - last) / batch);
        last = now;
    }
    model_close(&model);
    return 0;
}
