/* The few declarations of ESP-IDF that our port uses: to compile it, not to run it. */
#ifndef ESP_SYSTEM_H
#define ESP_SYSTEM_H

_Noreturn void esp_restart(void);

#endif
