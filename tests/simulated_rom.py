"""A simulated ESP32-C3: the loader in its ROM, as Espressif's serial protocol describes it, and
whatever it starts once it was flashed.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import subprocess
import threading
from functools import reduce
from operator import xor
from pathlib import Path

END, ESCAPE = b"\xc0", b"\xdb"
FLASH_BEGIN, FLASH_DATA, FLASH_END = 0x02, 0x03, 0x04
SYNC, READ_REG, FLASH_MD5, SECURITY_INFO = 0x08, 0x0A, 0x13, 0x14
BAD_CHECKSUM = 0x07
SPI_W0 = 0x60002058
FLASH_ID_4MB = 0x1640EF
CHECKSUM_START = 0xEF


class SimulatedRom:
    """Listens on ``url``; what was written is in ``flash``. One client at a time.

    With ``damages`` it flips a bit of all that it writes, as a bad flash would. ``program`` is what
    runs once something was written and the loader's client has gone, as after a reset: a bench
    firmware of the host, on the same socket.
    """

    def __init__(
        self, chip_id: int = 5, damages: bool = False, program: Path | None = None
    ) -> None:
        self.flash = bytearray(b"\xff" * (4 << 20))
        self.finished = False
        self._chip_id = chip_id
        self._damage = 1 if damages else 0
        self._begin = (0, 0)
        self._program = program
        self._written = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                if self._written and self._program is not None:
                    _run(self._program, client)
                    continue
                pending = b""
                while data := client.recv(65536):
                    *packets, pending = (pending + data).split(END)
                    for packet in filter(None, packets):
                        client.sendall(self._answer(packet))

    def _answer(self, packet: bytes) -> bytes:
        plain = packet.replace(ESCAPE + b"\xdc", END).replace(ESCAPE + b"\xdd", ESCAPE)
        _, command, size, checksum = struct.unpack_from("<BBHI", plain)
        data = plain[8 : 8 + size]
        value, body, status = 0, b"", 0
        if command == SYNC:
            return b"".join(frame(command, 0x20120707, b"", 0) for _ in range(8))
        if command == READ_REG:
            value = FLASH_ID_4MB if struct.unpack("<I", data)[0] == SPI_W0 else 0
        elif command == SECURITY_INFO:
            body = struct.pack("<I8BII", 0, *bytes(8), self._chip_id, 0)
        elif command == FLASH_BEGIN:
            erased, _, block, offset = struct.unpack_from("<IIII", data)
            self._begin = (offset, block)
            self.flash[offset : offset + erased] = b"\xff" * erased
        elif command == FLASH_DATA:
            status = self._write(data, checksum)
        elif command == FLASH_END:
            self.finished = True
        elif command == FLASH_MD5:
            offset, length = struct.unpack_from("<II", data)
            digest = hashlib.md5(self.flash[offset : offset + length], usedforsecurity=False)
            body = digest.hexdigest().encode()
        return frame(command, value, body, status)

    def _write(self, data: bytes, checksum: int) -> int:
        length, sequence = struct.unpack_from("<II", data)
        payload = data[16:]
        if len(payload) != length or reduce(xor, payload, CHECKSUM_START) != checksum:
            return BAD_CHECKSUM
        offset, block = self._begin
        at = offset + sequence * block
        self.flash[at : at + length] = bytes(byte ^ self._damage for byte in payload)
        self._written = True
        return 0


def _run(program: Path, client: socket.socket) -> None:
    """A program of this machine as what is at the other end, until the client goes."""
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=client.fileno()) as child:
        assert child.stdin is not None
        while data := client.recv(65536):
            child.stdin.write(data)
            child.stdin.flush()
        child.stdin.close()
        child.wait(10)


def frame(command: int, value: int, body: bytes, status: int) -> bytes:
    """An answer, with the four bytes of status that ROM loaders send, in SLIP."""
    data = body + bytes((1 if status else 0, status, 0, 0))
    plain = struct.pack("<BBHI", 1, command, len(data), value) + data
    return END + plain.replace(ESCAPE, ESCAPE + b"\xdd").replace(END, ESCAPE + b"\xdc") + END


def esp_image(chip_id: int, payload: bytes) -> bytes:
    """An application image of one segment in RAM, without a hash."""
    payload += bytes(-len(payload) % 4)
    header = struct.pack("<BBBBI", 0xE9, 1, 2, 0x20, 0x40380000)
    extended = struct.pack("<4BHBHH4BB", 0xEE, 0, 0, 0, chip_id, 0, 0, 0xFFFF, *bytes(4), 0)
    image = header + extended + struct.pack("<II", 0x40380000, len(payload)) + payload
    image += bytes(15 - len(image) % 16)
    return image + bytes((reduce(xor, payload, CHECKSUM_START),))
