/* The one fact of an ESP32-S3 that our ADC uses, as espressif/esp-idf
 * components/soc/esp32s3/include/soc/soc_caps.h has it: to compile it, not to run it. */
#ifndef SOC_CAPS_H
#define SOC_CAPS_H

#define SOC_ADC_DIGI_RESULT_BYTES 4

#endif
