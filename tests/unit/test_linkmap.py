"""The linker's map, with every form of line that GNU ld writes."""

from __future__ import annotations

from edgeserve.firmware.linkmap import Placed, parse_map

MAP = """
Archive member included to satisfy reference by file (symbol)

Discarded input sections

 .text          0x00000000       0x99 gone.o

Memory Configuration

Linker script and memory map

LOAD a.o

.text           0x00000000     0x100
 *(.vectors)
 .vectors       0x00000000       0x40 startup.o
 *(.text .text.*)
 .text.short    0x00000040       0x11 a.o
                0x00000040                short
 *fill*         0x00000051        0x3 \n\
 .text.a_name_that_is_long
                0x00000054       0x20 a.o
 .text          0x00000074       0x10 /lib/libc.a(memcpy.o)
 .rodata.str1.1
                0x00000084        0x5 a.o
                                  0x7 (size before relaxing)
 .text.nothing  0x00000089        0x0 a.o

.ARM.exidx      0x00000100        0x8
 .ARM.exidx     0x00000100        0x8 /lib/libgcc.a(div.o)

.data           0x20000000        0x4 load address 0x00000108
 .data.x        0x20000000        0x4 a.o

.bss            0x20000004       0x20 load address 0x0000010c
 .bss.arena     0x20000004       0x20 b.o
 COMMON         0x20000024        0x4 b.o

.comment        0x00000000       0x20
 .comment       0x00000000       0x20 a.o
.debug_info     0x00000000      0x999
 .debug_info    0x00000000      0x999 a.o
"""


def test_pieces_and_their_memory() -> None:
    pieces = parse_map(MAP)
    flash = [(p.origin, p.flash_bytes) for p in pieces if p.flash_bytes]
    assert flash == [
        ("startup.o", 0x40),
        ("a.o", 0x11),
        ("", 3),
        ("a.o", 0x20),
        ("/lib/libc.a(memcpy.o)", 0x10),
        ("a.o", 5),
        ("/lib/libgcc.a(div.o)", 8),
        ("a.o", 4),
    ]
    ram = [(p.section, p.ram_bytes) for p in pieces if p.ram_bytes]
    assert ram == [(".data.x", 4), (".bss.arena", 0x20), ("COMMON", 4)]
    assert not any(piece.origin == "gone.o" for piece in pieces)


def test_members() -> None:
    assert Placed(".text", 1, "/lib/libc.a(lib_a-memcpy.o)").member == "lib_a-memcpy.o"
    assert Placed(".text", 1, "build/a (1)/b.o").member is None
