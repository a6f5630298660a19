"""The file of a board that is a process of this machine: what tests of uploads flash."""

PROCESS_BOARD = """
kind = "physical"
port = "host"

[cpu]
core = "host"
isa = ["ref"]

[toolchain]
flags = []

[[region]]
name = "memory"
address = 0
size_bytes = 0x1000000
holds = ["code", "model", "arena", "data", "stack"]
source = "a limit of this test"
"""
"""Without a name and a way to upload."""
