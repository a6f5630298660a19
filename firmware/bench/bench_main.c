/* The bench image: a model behind the serial protocol. */
#include "bench_model.h"
#include "bench_protocol.h"
#include "bench_stamp.h"
#include "es_port.h"

void es_main(void) {
    es_port_start();
    bench_model_start();
    stamp_start();
    bench_protocol_run();
}
