/* Registers of motion sensors.
 *
 * Numbers of registers, bits and identities: the makers' datasheets, each named below, checked
 * against public drivers: torvalds/linux drivers/iio/imu/st_lsm6dsx and inv_mpu6050,
 * arduino-libraries/Arduino_LSM9DS1 src/LSM9DS1.cpp, qemu/qemu hw/sensor/lsm303dlhc_mag.c. Only the
 * last one was ever run, against that model in QEMU; the others against a simulated bus, which
 * knows no more than this file. */
#include "es_imu.h"

#define LIST(writes) {writes, sizeof(writes) / sizeof *(writes)}

/* ST DS12814 (LSM6DSOX). CTRL3_C: reset, then whole samples and counted addresses (BDU, IF_INC);
 * CTRL1_XL: 104 Hz, 4 g; CTRL2_G: 104 Hz, 2000 dps. */
static const es_imu_write_t lsm6ds_writes[] = {
    {0x12, 0x01, 0x01}, {0x12, 0x44, 0}, {0x10, 0x48, 0}, {0x11, 0x4C, 0}};
static const es_imu_write_t lsm6ds_sleep[] = {{0x10, 0x00, 0}, {0x11, 0x00, 0}};

/* FIFO_CTRL3: both at 104 Hz; FIFO_CTRL4: continuous. Over again: by way of bypass. */
static const es_imu_write_t lsm6dsox_fifo_on[] = {
    {0x09, 0x44, 0}, {0x0A, 0x00, 0}, {0x0A, 0x06, 0}};
static const es_imu_write_t lsm6dsox_fifo_clear[] = {{0x0A, 0x00, 0}, {0x0A, 0x06, 0}};
static const es_imu_fifo_t lsm6dsox_fifo = {
    .writes = LIST(lsm6dsox_fifo_on),
    .clear = LIST(lsm6dsox_fifo_clear),
    .level = 0x3A, /* FIFO_STATUS1 and 2: words of 7 bytes */
    .order = ES_IMU_LOW_FIRST,
    .level_mask = 0x03FF,
    .words_of_sample = 2,
    .overrun = 0x3B,
    .is_over = 0x48, /* FIFO_OVR_IA, FIFO_OVR_LATCHED */
    .data = 0x78,    /* FIFO_DATA_OUT_TAG */
    .sample_bytes = 14,
    .tags = {0x01, 0x02}, /* gyroscope, accelerometer */
};

const es_imu_chip_t es_lsm6dsox = {
    .name = "LSM6DSOX",
    .address = 0x6A,
    .identity = 0x0F,
    .identity_is = 0x6C,
    .writes = LIST(lsm6ds_writes),
    .sleep = LIST(lsm6ds_sleep),
    .status = 0x1E,
    .is_new = 0x03, /* XLDA, GDA */
    .data = {0x22}, /* OUTX_L_G, the accelerometer's behind it */
    .data_bytes = {12},
    .order = ES_IMU_LOW_FIRST,
    .axes = 6,
    .from = {3, 4, 5, 0, 1, 2},
    .bus_hz = 400000,
    .rate_mhz = 104000,
    .fifo = &lsm6dsox_fifo,
    .step_ug = 122,
    .step_udps = 70000,
};

/* ST DocID026899 (LSM6DS3). FIFO_CTRL3: both, each sample; FIFO_CTRL5: 104 Hz, continuous. Data
 * sets without tags: gyroscope, accelerometer. */
static const es_imu_write_t lsm6ds3_fifo_on[] = {{0x08, 0x09, 0}, {0x0A, 0x20, 0}, {0x0A, 0x26, 0}};
static const es_imu_write_t lsm6ds3_fifo_clear[] = {{0x0A, 0x20, 0}, {0x0A, 0x26, 0}};

#define LSM6DS3_FIFO(mask)                                                                         \
    {.writes = LIST(lsm6ds3_fifo_on),                                                              \
     .clear = LIST(lsm6ds3_fifo_clear),                                                            \
     .level = 0x3A,                                                                                \
     .order = ES_IMU_LOW_FIRST,                                                                    \
     .level_mask = (mask),                                                                         \
     .words_of_sample = 6,                                                                         \
     .overrun = 0x3B,                                                                              \
     .is_over = 0x40,                                                                              \
     .data = 0x3E,                                                                                 \
     .sample_bytes = 12}
static const es_imu_fifo_t lsm6ds3_fifo = LSM6DS3_FIFO(0x0FFF);
static const es_imu_fifo_t lsm6ds3tr_c_fifo = LSM6DS3_FIFO(0x07FF);

#define LSM6DS3(its_name, identity_value, its_fifo)                                                \
    {.name = (its_name),                                                                           \
     .address = 0x6A,                                                                              \
     .identity = 0x0F,                                                                             \
     .identity_is = (identity_value),                                                              \
     .writes = LIST(lsm6ds_writes),                                                                \
     .sleep = LIST(lsm6ds_sleep),                                                                  \
     .status = 0x1E,                                                                               \
     .is_new = 0x03,                                                                               \
     .data = {0x22},                                                                               \
     .data_bytes = {12},                                                                           \
     .order = ES_IMU_LOW_FIRST,                                                                    \
     .axes = 6,                                                                                    \
     .from = {3, 4, 5, 0, 1, 2},                                                                   \
     .bus_hz = 400000,                                                                             \
     .rate_mhz = 104000,                                                                           \
     .fifo = (its_fifo),                                                                           \
     .step_ug = 122,                                                                               \
     .step_udps = 70000}
const es_imu_chip_t es_lsm6ds3 = LSM6DS3("LSM6DS3", 0x69, &lsm6ds3_fifo);
/* ST DocID030071 (LSM6DS3TR-C): a smaller FIFO, whose level has 11 bits. */
const es_imu_chip_t es_lsm6ds3tr_c = LSM6DS3("LSM6DS3TR-C", 0x6A, &lsm6ds3tr_c_fifo);

/* ST DocID025715 (LSM9DS1). CTRL_REG8: reset, then BDU and IF_ADD_INC; CTRL_REG1_G: 119 Hz,
 * 2000 dps; CTRL_REG6_XL: 119 Hz, 4 g. Its FIFO is not described: it is read by two bursts. */
static const es_imu_write_t lsm9ds1_writes[] = {
    {0x22, 0x05, 0x01}, {0x22, 0x44, 0}, {0x10, 0x78, 0}, {0x20, 0x70, 0}};
static const es_imu_write_t lsm9ds1_sleep[] = {{0x10, 0x00, 0}, {0x20, 0x00, 0}};

const es_imu_chip_t es_lsm9ds1 = {
    .name = "LSM9DS1",
    .address = 0x6B,
    .identity = 0x0F,
    .identity_is = 0x68,
    .writes = LIST(lsm9ds1_writes),
    .sleep = LIST(lsm9ds1_sleep),
    .status = 0x17,
    .is_new = 0x03,       /* XLDA, GDA */
    .data = {0x28, 0x18}, /* OUT_X_XL, OUT_X_G */
    .data_bytes = {6, 6},
    .order = ES_IMU_LOW_FIRST,
    .axes = 6,
    .from = {0, 1, 2, 3, 4, 5},
    .bus_hz = 400000,
    .rate_mhz = 119000,
    .step_ug = 122,
    .step_udps = 70000,
};

/* InvenSense RM-MPU-6000A-00 (MPU-6050) and RM-MPU-6500A-00. PWR_MGMT_1: reset, then the
 * gyroscope's clock; CONFIG: 1 kHz through the low-pass filter; SMPLRT_DIV: a tenth of it;
 * GYRO_CONFIG: 2000 dps; ACCEL_CONFIG: 4 g; INT_ENABLE: new data, FIFO overflow. */
static const es_imu_write_t mpu6050_writes[] = {
    {0x6B, 0x80, 0x80}, {0x6B, 0x01, 0}, {0x1A, 0x03, 0}, {0x19, 0x09, 0},
    {0x1B, 0x18, 0},    {0x1C, 0x08, 0}, {0x38, 0x11, 0}};
/* ACCEL_CONFIG2 as well: the accelerometer's filter is its own. */
static const es_imu_write_t mpu6500_writes[] = {
    {0x6B, 0x80, 0x80}, {0x6B, 0x01, 0}, {0x1A, 0x03, 0}, {0x19, 0x09, 0},
    {0x1B, 0x18, 0},    {0x1C, 0x08, 0}, {0x1D, 0x03, 0}, {0x38, 0x11, 0}};
static const es_imu_write_t mpu6050_sleep[] = {{0x6B, 0x40, 0}};

/* USER_CTRL: FIFO reset, on; FIFO_EN: acceleration, temperature, rotation, as the data registers.
 */
static const es_imu_write_t mpu6050_fifo_on[] = {
    {0x6A, 0x04, 0x04}, {0x23, 0xF8, 0}, {0x6A, 0x40, 0}};
static const es_imu_write_t mpu6050_fifo_clear[] = {{0x6A, 0x04, 0x04}, {0x6A, 0x40, 0}};
static const es_imu_fifo_t mpu6050_fifo = {
    .writes = LIST(mpu6050_fifo_on),
    .clear = LIST(mpu6050_fifo_clear),
    .level = 0x72, /* FIFO_COUNTH and L: bytes */
    .order = ES_IMU_HIGH_FIRST,
    .level_mask = 0xFFFF,
    .words_of_sample = 14,
    .overrun = 0x3A,
    .is_over = 0x10, /* FIFO_OFLOW_INT */
    .data = 0x74,    /* FIFO_R_W */
    .sample_bytes = 14,
};

#define MPU(its_name, identity_value, its_writes)                                                  \
    {.name = (its_name),                                                                           \
     .address = 0x68,                                                                              \
     .identity = 0x75,                                                                             \
     .identity_is = (identity_value),                                                              \
     .writes = LIST(its_writes),                                                                   \
     .sleep = LIST(mpu6050_sleep),                                                                 \
     .status = 0x3A,                                                                               \
     .is_new = 0x01,                                                                               \
     .data = {0x3B},                                                                               \
     .data_bytes = {14},                                                                           \
     .order = ES_IMU_HIGH_FIRST,                                                                   \
     .axes = 6,                                                                                    \
     .from = {0, 1, 2, 4, 5, 6},                                                                   \
     .bus_hz = 400000,                                                                             \
     .rate_mhz = 100000,                                                                           \
     .fifo = &mpu6050_fifo,                                                                        \
     .step_ug = 122,                                                                               \
     .step_udps = 60976}
const es_imu_chip_t es_mpu6050 = MPU("MPU-6050", 0x68, mpu6050_writes);
const es_imu_chip_t es_mpu6500 = MPU("MPU-6500", 0x70, mpu6500_writes);

/* ST DocID018771 (LSM303DLHC). CRA_REG_M: 75 Hz; CRB_REG_M: 1.3 gauss; MR_REG_M: continuous. Values
 * of 12 bits in the order x, z, y, 1100 a gauss (z: 980, so that its step is 6,378 pT). */
static const es_imu_write_t lsm303dlhc_writes[] = {
    {0x00, 0x18, 0}, {0x01, 0x20, 0}, {0x02, 0x00, 0}};
static const es_imu_write_t lsm303dlhc_sleep[] = {{0x02, 0x03, 0}};

const es_imu_chip_t es_lsm303dlhc_mag = {
    .name = "LSM303DLHC",
    .address = 0x1E,
    .identity = 0x0A, /* IRA_REG_M */
    .identity_is = 0x48,
    .writes = LIST(lsm303dlhc_writes),
    .sleep = LIST(lsm303dlhc_sleep),
    .status = 0x09,
    .is_new = 0x01, /* DRDY */
    .data = {0x03},
    .data_bytes = {6},
    .order = ES_IMU_HIGH_FIRST,
    .axes = 3,
    .from = {0, 2, 1},
    .shift = 4,
    .bus_hz = 400000,
    .rate_mhz = 75000,
    .step_pt = 5682,
};
