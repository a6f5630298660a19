"""The records of a model table: what Python writes is what the C structs say, field by field."""

from __future__ import annotations

import dataclasses
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from edgeserve import table
from edgeserve.kernels.record import KERNEL_SET_VERSION, Params, field_formats, record_bytes
from edgeserve.kernels.table import KERNELS
from edgeserve.resources import firmware_root
from tests.tools import need_programs

TABLE_RECORDS: dict[str, struct.Struct] = {
    "es_header_t": table.HEADER,
    "es_step_record_t": table.STEP,
    "es_operand_record_t": table.OPERAND,
    "es_turn_record_t": table.TURN,
    "es_port_record_t": table.PORT,
    "es_state_record_t": table.STATE,
}


KERNEL_HEADERS = ("es_kernels.h", "es_kernels_16.h", "es_kernels_float.h")


def kernels_header() -> str:
    return "".join((firmware_root() / "kernels" / name).read_text() for name in KERNEL_HEADERS)


def adapter_text(params: type[Params]) -> str:
    return (firmware_root() / "adapters" / f"{params.SOURCE}.c").read_text()


def struct_name(params: type[Params]) -> str | None:
    """The record that the adapter hands to its kernel; None where the kernel has none."""
    text = adapter_text(params)
    if match := re.search(r"const (\w+) \*p = es_call_params\(call\)", text):
        return match.group(1)
    if match := re.search(r"(es_\w+)\(es_call_params\(call\)", text):
        taken = re.search(rf"void {match.group(1)}\(const (\w+) \*", kernels_header())
        assert taken is not None
        return taken.group(1)
    assert "es_call_params" not in text
    return None


def struct_fields(text: str, name: str) -> list[str]:
    """The names of a struct's fields in order, by reading the header."""
    match = re.search(r"typedef struct \w+ \{([^}]*)\} " + name + ";", text)
    assert match is not None, f"no struct {name}"
    body = re.sub(r"/\*.*?\*/", "", match.group(1), flags=re.S)
    declared = [d.strip() for d in body.split(";") if d.strip()]
    return [
        re.sub(r"\[.*?\]", "", variable).strip()
        for declaration in declared
        for variable in re.sub(r"^\w+\s+", "", declaration).split(",")
    ]


def measure(tmp_path: Path, structs: dict[str, list[str]]) -> dict[str, int]:
    """``struct`` -> size and ``struct.field`` -> offset, as a C compiler sees them."""
    compiler = shutil.which("arm-none-eabi-gcc") or "gcc"
    need_programs(compiler)
    values = []
    for name, fields in structs.items():
        values.append((name, f"sizeof({name})"))
        values += [(f"{name}.{field}", f"offsetof({name}, {field})") for field in fields]
    (tmp_path / "layout.c").write_text(
        "".join(f'#include "{name}"\n' for name in ("es_table.h", *KERNEL_HEADERS))
        + "#include <stddef.h>\n"
        f"const unsigned layout[] = {{{', '.join(value for _, value in values)}}};\n"
    )
    root = firmware_root()
    done = subprocess.run(
        [
            *(compiler, "-std=c11", "-S", "-o", "-", "layout.c"),
            *(f"-I{root / folder}" for folder in ("include", "runtime", "kernels")),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    body = done.stdout.partition("\nlayout:\n")[2]
    numbers = []
    for line in body.splitlines():
        if match := re.match(r"\s+\.(?:word|long)\s+(\d+)", line):
            numbers.append(int(match.group(1)))
        elif match := re.match(r"\s+\.(?:space|zero)\s+(\d+)", line):
            numbers += [0] * (int(match.group(1)) // 4)
        else:
            break
    assert len(numbers) == len(values)
    return {name: number for (name, _), number in zip(values, numbers, strict=True)}


def test_the_records_of_the_table(tmp_path: Path) -> None:
    text = (firmware_root() / "runtime" / "es_table.h").read_text()
    structs = {name: struct_fields(text, name) for name in TABLE_RECORDS}
    fields = structs["es_header_t"]
    banks = fields.index("bank_bytes")
    fields[banks : banks + 1] = [f"bank_bytes[{bank}]" for bank in range(table.MOST_BANKS)]
    measured = measure(tmp_path, structs)
    for name, record in TABLE_RECORDS.items():
        formats = re.findall(r"\d*[a-zA-Z]", record.format.lstrip("<"))
        expanded = [
            code
            for item in formats
            for code in ([item] if item.endswith("s") else [item[-1]] * int(item[:-1] or 1))
        ]
        offsets = [struct.calcsize("<" + "".join(expanded[:i])) for i in range(len(expanded))]
        assert measured[name] == record.size
        assert [measured[f"{name}.{field}"] for field in structs[name]] == offsets


@pytest.mark.parametrize("params", KERNELS, ids=lambda params: params.SOURCE)
def test_the_parameters_of_a_kernel(params: type[Params], tmp_path: Path) -> None:
    name = struct_name(params)
    if name is None:
        assert not dataclasses.fields(params)
        return
    formats = field_formats(params)
    fields = [field for field, _ in formats]
    assert struct_fields(kernels_header(), name) == fields
    measured = measure(tmp_path, {name: fields})
    packed = 0
    for field, form in formats:
        assert measured[f"{name}.{field}"] == packed, f"{name}.{field}"
        packed += struct.calcsize("<" + form)
    assert measured[name] == record_bytes(params)
    # es_init subtracts it from the length of a table, which is never below that of its header.
    assert measured[name] <= table.HEADER.size


@pytest.mark.parametrize("params", KERNELS, ids=lambda params: params.SOURCE)
def test_the_adapter_has_the_id_of_the_kernel(params: type[Params]) -> None:
    text = adapter_text(params)
    match = re.search(rf"const es_kernel_t {params.SYMBOL} = \{{(.*?)\}};", text, re.S)
    assert match is not None
    assert re.search(rf"\.id = {int(params.KERNEL)},", match.group(1))


def test_constants_agree() -> None:
    text = (firmware_root() / "runtime" / "es_table.h").read_text()
    defined = dict(re.findall(r"#define (ES_\w+)\s+(0x[0-9A-F]+|\d+)u", text))
    assert int(defined["ES_MAGIC"], 16) == table.MAGIC
    assert int(defined["ES_FORMAT_VERSION"]) == table.FORMAT_VERSION
    assert int(defined["ES_KERNEL_SET_VERSION"]) == KERNEL_SET_VERSION
    assert int(defined["ES_TABLE_LIMIT"], 16) == table.TABLE_LIMIT
    below = re.search(r"ES_MOST_BANK_BYTES \(\(1u << ES_BANK_SHIFT\) - (\d+)u\)", text)
    assert below is not None
    assert (1 << int(re.findall(r"ES_BANK_SHIFT\s+(\d+)", text)[0])) - int(
        below.group(1)
    ) == table.MOST_BANK_BYTES
