#!/usr/bin/env bash
# Installs what the Makefile's targets need: Debian packages where a tool is missing, then .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

# tool:package. C libraries have no tools of their own: a header stands for each.
tools=(gcc:gcc arm-none-eabi-gcc:gcc-arm-none-eabi qemu-system-arm:qemu-system-arm
       qemu-system-riscv32:qemu-system-misc riscv64-unknown-elf-gcc:gcc-riscv64-unknown-elf
       qemu-system-xtensa:qemu-system-misc xtensa-lx106-elf-gcc:gcc-xtensa-lx106 git:git
       adb:adb cmake:cmake aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu valgrind:valgrind
       qemu-aarch64:qemu-user chromium:chromium)
missing=()
for pair in "${tools[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
printf '#include <string.h>\n' | arm-none-eabi-gcc -fsyntax-only -xc - 2>/dev/null ||
    missing+=(libnewlib-arm-none-eabi)
printf '#include <string.h>\n' |
    riscv64-unknown-elf-gcc --specs=picolibc.specs -fsyntax-only -xc - 2>/dev/null ||
    missing+=(picolibc-riscv64-unknown-elf)
printf '#include <stdlib.h>\n' | aarch64-linux-gnu-gcc -fsyntax-only -xc - 2>/dev/null ||
    missing+=(libc6-dev-arm64-cross)
printf '#include <stdlib.h>\n' | gcc -fsyntax-only -xc - 2>/dev/null || missing+=(libc6-dev)
printf 'int main(void){return 0;}' | gcc -fsanitize=address,undefined -o /dev/null -xc - 2>/dev/null ||
    missing+=(gcc libc6-dev)
"$PYTHON" -c 'import ctypes; ctypes.CDLL("libturbojpeg.so.0")' 2>/dev/null || missing+=(libturbojpeg0)
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: Python 3.11 or later is needed; '$PYTHON' is $("$PYTHON" -V 2>&1)." >&2
    echo "setup: name another one: make PYTHON=python3.12 ..." >&2
    exit 3
}

if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "setup: these tools are missing, and this system has no apt-get: ${missing[*]}" >&2
        echo "setup: install the equivalents: an arm-none-eabi GCC with newlib, qemu-system-arm," >&2
        echo "setup: qemu-system-misc, a riscv64-unknown-elf GCC with picolibc, an xtensa-lx106 GCC," >&2
        echo "setup: a host GCC with its sanitizers, git, adb, cmake, chromium, Python's venv." >&2
        exit 3
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "setup: run as root: apt-get install ${missing[*]}" >&2
            exit 3
        }
        as_root=(sudo)
    fi
    echo "setup: installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
echo "setup: installing the locked Python packages into .venv"
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
