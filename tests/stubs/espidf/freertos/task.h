/* The few declarations of FreeRTOS that our port uses: to compile it, not to run it. */
#ifndef TASK_H
#define TASK_H

#include <stdint.h>

void vTaskDelay(uint32_t ticks);

#endif
