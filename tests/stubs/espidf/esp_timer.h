/* The few declarations of ESP-IDF that our port uses: to compile it, not to run it. */
#ifndef ESP_TIMER_H
#define ESP_TIMER_H

#include <stdint.h>

int64_t esp_timer_get_time(void);

#endif
