"""Worst-case stack: from call graphs as the compiler writes them."""

from __future__ import annotations

import pytest

from edgeserve.errors import ToolError
from edgeserve.firmware.stack import CallGraph, add_disassembly, read_call_graphs, worst_case_stack

INIT = """graph: { title: "runtime/es_init.c"
node: { title: "runtime/es_init.c:check" label: "check\\nes_init.c:1:2\\n24 bytes (static)" }
node: { title: "es_init" label: "es_init\\nruntime/es_init.c:9:2\\n88 bytes (static)" }
node: { title: "memchr" label: "memchr\\nstring.h:29:9" shape : ellipse }
node: { title: "__indirect_call" label: "Indirect Call Placeholder" shape : ellipse }
edge: { sourcename: "runtime/es_init.c:check" targetname: "memchr" label: "x" }
edge: { sourcename: "es_init" targetname: "runtime/es_init.c:check" label: "x" }
edge: { sourcename: "es_init" targetname: "__indirect_call" label: "x" }
}
"""
ADAPTER = """graph: { title: "adapters/a.c"
node: { title: "adapters/a.c:check" label: "check\\nadapters/a.c:1:2\\n200 bytes (static)" }
}
"""
LIBRARY = """
code.elf:     file format elf32-littlearm

00000000 <es_init>:
       0:\tb5f0      \tpush\t{r4, r5, r6, r7, lr}

00000010 <memchr>:
      10:\tpush\t{r4-r6, lr}
      12:\tsub\tsp, #8
      14:\tvpush\t{d8-d9}
      16:\tbl\t20 <helper>
      1a:\tbne.n\t12 <memchr+0x2>
      1c:\tpop\t{r4-r6, pc}

00000020 <helper>:
      20:\tstr.w\tlr, [sp, #-4]!
      24:\tstrd\tr4, r5, [sp, #-16]!
      28:\tstmdb\tsp!, {r4, r5, r6, lr}
      2c:\tbx\tlr
"""

SYMBOLS = {"es_init": 0, "memchr": 0x10, "helper": 0x20, "other_name": 0x20, "es_reset": 0x30}


def test_the_deepest_chain_through_pointer_and_library() -> None:
    graph = read_call_graphs([INIT, ADAPTER])
    add_disassembly(graph, LIBRARY, SYMBOLS)
    assert graph.frames["memchr"] == 16 + 8 + 16
    assert graph.frames["helper"] == 4 + 16 + 16
    assert graph.frames["es_init"] == 88, "what the compiler says is not guessed again"
    deepest = worst_case_stack(graph, "es_init", {"es_init": ["adapters/a.c:check"]})
    assert deepest.stack_bytes == 88 + 200
    assert deepest.chain == ("es_init", "adapters/a.c:check")
    graph.frames["adapters/a.c:check"] = 0
    deepest = worst_case_stack(graph, "es_init", {"es_init": ["adapters/a.c:check"]})
    assert deepest.stack_bytes == 88 + 24 + 40 + 36
    assert deepest.chain[-1] == "helper"


def test_what_cannot_be_proven_is_an_error() -> None:
    graph = read_call_graphs([INIT, ADAPTER])
    with pytest.raises(ToolError, match="memchr is not known"):
        worst_case_stack(graph, "es_init", {"es_init": []})
    add_disassembly(graph, LIBRARY, SYMBOLS)
    with pytest.raises(ToolError, match="pointer that nobody listed"):
        worst_case_stack(graph, "es_init", {})
    graph.add_call("helper", "memchr")
    with pytest.raises(ToolError, match="calls itself"):
        worst_case_stack(graph, "es_init", {"es_init": []})
    with pytest.raises(ToolError, match="depends on its arguments"):
        read_call_graphs([ADAPTER.replace("(static)", "(dynamic)")])
    bounded = read_call_graphs([ADAPTER.replace("(static)", "(dynamic,bounded)")])
    assert bounded.frames["adapters/a.c:check"] == 200


def test_other_names_are_followed_and_functions_that_were_not_linked_are_not() -> None:
    calls = """edge: { sourcename: "adapters/a.c:check" targetname: "other_name" label: "x" }
edge: { sourcename: "adapters/a.c:check" targetname: "__aeabi_ldivmod" label: "x" }
"""
    graph = read_call_graphs([ADAPTER + calls])
    add_disassembly(graph, LIBRARY, SYMBOLS)
    deepest = worst_case_stack(graph, "adapters/a.c:check", {})
    assert deepest.stack_bytes == 200 + 36
    assert deepest.chain == ("adapters/a.c:check", "other_name", "helper")
    linked = read_call_graphs([ADAPTER + calls])
    add_disassembly(linked, LIBRARY, SYMBOLS | {"__aeabi_ldivmod": 0x99})
    with pytest.raises(ToolError, match="__aeabi_ldivmod is not known"):
        worst_case_stack(linked, "adapters/a.c:check", {})


RISCV = """
code.elf:     file format elf32-littleriscv

80000000 <__muldf3>:
80000000:\taddi\tsp,sp,-48
80000002:\tsw\tra,44(sp)
80000004:\tjal\tra,80000010 <__clzsi2>
80000008:\tbeqz\ta0,80000004 <__muldf3+0x4>
8000000c:\tj\t80000020 <tail>

80000010 <__clzsi2>:
80000010:\tret

80000020 <tail>:
80000020:\taddi\tsp,sp,-16
80000022:\taddi\tsp,sp,16
"""
XTENSA = """
code.elf:     file format elf32-xtensa-le

40200000 <__moddi3>:
40200000:\taddi\ta1, a1, -64
40200003:\taddmi\ta1, a1, -256
40200006:\tl32r\ta0, 401ffff0 <__moddi3-0x10> (40200020 <far>)
40200009:\tcallx0\ta0
4020000c:\tcall0\t40200030 <near>

40200020 <far>:
40200020:\taddi\ta1, a1, -32
40200023:\tret.n

40200030 <near>:
40200030:\tret.n
"""


@pytest.mark.parametrize(
    ("text", "root", "stack_bytes", "last"),
    [(RISCV, "__muldf3", 48 + 16, "tail"), (XTENSA, "__moddi3", 64 + 256 + 32, "far")],
    ids=["riscv", "xtensa"],
)
def test_libraries_of_other_architectures(
    text: str, root: str, stack_bytes: int, last: str
) -> None:
    graph = CallGraph()
    names = [line.split("<")[1][:-2] for line in text.splitlines() if line.endswith(">:")]
    add_disassembly(graph, text, {name: index for index, name in enumerate(names)})
    deepest = worst_case_stack(graph, root, {})
    assert (deepest.stack_bytes, deepest.chain[-1]) == (stack_bytes, last)


def test_an_architecture_that_nobody_described() -> None:
    with pytest.raises(ToolError, match="elf64-alpha"):
        add_disassembly(CallGraph(), "code.elf:     file format elf64-alpha", {})
