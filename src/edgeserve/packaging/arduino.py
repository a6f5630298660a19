"""An Arduino library: every source in one folder, as its build looks for headers in that alone.

After the Arduino library specification 1.5. The core compiles what it finds with its own flags, so
that those which the kernels need stand in the sources.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from edgeserve.board import Board
from edgeserve.firmware.project import ADAPTERS_FOLDER, LIBRARY_FOLDER
from edgeserve.packaging.contents import Contents, readme
from edgeserve.resources import firmware_root

_ARCHITECTURES = {"espressif32": "esp32", "raspberrypi": "rp2040,mbed_rp2040", "teensy": "avr"}
"""By PlatformIO's name of the platform; all others are left to the user (``*``)."""

_PREFIXES = ((f"{ADAPTERS_FOLDER}/", "adapter_"), (f"{LIBRARY_FOLDER}/kernels/", "kernel_"))
"""Adapters and kernels have the same names in folders of their own."""

_FLAGS = """\
/* The flags that a Makefile would give: float kernels must round every operation. */
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC optimize("O2", "fp-contract=off")
#endif
"""

_BUSES = ("i2c", "adc", "microphone")
"""What the core's own libraries give to drivers: Wire and PDM where the sketch includes them."""

_ASKED_FOR = """\
/* A sketch that does not include Wire.h or PDM.h gets no bus of it. */
#define ES_SENSORS 1
"""

_PROPERTIES = """\
name={name}
version={version}
author=edgeserve
maintainer=edgeserve <edgeserve@edgeserve.invalid>
sentence=The neural network {symbol}, planned for {board}.
paragraph={arena} bytes of arena, {table} bytes of model; nothing is allocated. By edgeserve.
category=Data Processing
url=https://edgeserve.invalid/
architectures={architectures}
includes=edgeserve.h,model.h
license=Apache-2.0
"""

_SKETCH = """\
// A frame ten times a second: acquire, infer, say what came out. Yours are readSensor() and act().
#include <edgeserve.h>
#include <model.h>

static const uint32_t kPeriodMs = 100;

// Memory for the model: an array for each bank of its plan, mostly a single one.
#define ARRAY(index, region, bytes, alignment) \\
    alignas(alignment) static uint8_t bank_##index[bytes];
MODEL_BANKS(ARRAY)

#define ENTRY(index, region, bytes, alignment) {bank_##index, sizeof bank_##index},
static const es_bank_t banks[] = {MODEL_BANKS(ENTRY)};
static es_model_t model;
static uint32_t nextFrameMs, lateFrames;

// Fills the model's input, which an inference may overwrite. As it stands: zeros.
static void readSensor(uint8_t *input, uint32_t bytes) {
    memset(input, 0, bytes);
}

// What came out, as the model has it: int8 unless edgeserve inspect says otherwise.
static void act(const uint8_t *output, uint32_t bytes, uint32_t microseconds) {
    Serial.print("output");
    for (uint32_t i = 0; i < bytes; i++) {
        Serial.print(" ");
        Serial.print(static_cast<long>(static_cast<int8_t>(output[i])));
    }
    Serial.print(" in us ");
    Serial.print(static_cast<long>(microseconds));
    Serial.print(", late frames ");
    Serial.println(static_cast<long>(lateFrames));
}

void setup() {
    Serial.begin(115200);
    const es_status_t status =
        es_init_banks(&model, MODEL_TABLE, MODEL_TABLE_BYTES, MODEL_KERNELS, MODEL_KERNEL_COUNT,
                      banks, sizeof banks / sizeof *banks);
    while (status != ES_OK) {
        Serial.println(es_status_text(status));
        delay(1000);
    }
    nextFrameMs = millis();
}

void loop() {
    const uint32_t now = millis();
    if (static_cast<int32_t>(now - nextFrameMs) < 0) {
        return;
    }
    nextFrameMs += kPeriodMs;
    if (static_cast<int32_t>(now - nextFrameMs) >= 0) {
        lateFrames++;
        nextFrameMs = now + kPeriodMs;
    }
    readSensor(static_cast<uint8_t *>(es_input(&model, 0)), es_input_bytes(&model, 0));
    const uint32_t begin = micros();
    es_run(&model);
    act(static_cast<const uint8_t *>(es_output(&model, 0)), es_output_bytes(&model, 0),
        micros() - begin);
}
"""

_HOW = """\
Copy the folder to `libraries/` of your sketchbook, or hand the zip to *Sketch, Include Library, Add
.ZIP Library*; then open *File, Examples, {name}, Loop*. Name, maintainer and url of
`library.properties` are placeholders: say who you are before you publish it.

Drivers of motion sensors, microphones and an ADC are in it (`es_imu.h`, `es_sampled.h`): a sketch
that includes `Wire.h` or `PDM.h` has their buses as `es_port_i2c(0)`, `es_port_microphone(0)`.
"""

EXAMPLE = "examples/Loop/Loop.ino"


def arduino_files(contents: Contents, board: Board) -> dict[str, bytes]:
    """Every file of the library by its path in it."""
    told = board.platformio
    properties = _PROPERTIES.format(
        name=contents.name,
        version=contents.version,
        symbol=contents.project.symbol,
        board=board.id,
        arena=contents.project.arena_bytes,
        table=contents.project.table_bytes,
        architectures=_ARCHITECTURES.get(told.platform if told else "", "*"),
    )
    files = {
        "library.properties": properties.encode(),
        "README.md": readme(contents, _HOW.format(name=contents.name)).encode(),
        EXAMPLE: _SKETCH.encode(),
    }
    for path, data in contents.headers():
        files[f"src/{PurePosixPath(path).name}"] = data
    for path, data in contents.sources():
        name = _flat_name(path)
        assert name not in files, f"two sources would both be {name}"
        files[name] = _FLAGS.encode() + data if path.endswith(".c") else data
    for bus in _BUSES:
        source = firmware_root() / "ports" / "arduino" / f"{bus}.cpp"
        files[f"src/bus_{bus}.cpp"] = _ASKED_FOR.encode() + source.read_bytes()
    return files


def _flat_name(path: str) -> str:
    prefix = next((short for folder, short in _PREFIXES if path.startswith(folder)), "")
    return f"src/{prefix}{PurePosixPath(path).name}"
