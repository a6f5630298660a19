#!/usr/bin/env bash
# The main job, end to end: each command is shown, then run.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() {
    say "$*"
    "$@"
}

rm -rf out/digits
run edgeserve convert models/digits/model.keras --calibration models/digits/calibration.npz \
    --target cortex-m7 -o out/digits
run edgeserve check out/digits --board nucleo_h743zi2 --board esp32dev
run edgeserve bench out/digits --device mps2-an500
run edgeserve verify out/digits --device mps2-an500
run edgeserve check out/digits/model.tflite --all-boards

printf '\nThe bundle is out/digits; its firmware, which builds without edgeserve, is in\n'
printf 'out/digits/boards/mps2-an500/firmware.\n'
