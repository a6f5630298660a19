/* The few declarations of FreeRTOS that our port uses: to compile it, not to run it. */
#ifndef FREERTOS_H
#define FREERTOS_H

#define portMAX_DELAY     0xffffffffu
#define pdMS_TO_TICKS(ms) ((ms) / 10)

#endif
