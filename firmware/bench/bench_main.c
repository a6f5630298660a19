/* The bench image: a model behind the serial protocol. */
#include "bench_model.h"
#include "bench_protocol.h"
#include "es_port.h"

void es_main(void) {
    es_port_start();
    bench_model_start();
    bench_protocol_run();
}
