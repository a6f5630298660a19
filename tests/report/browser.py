"""A real Chromium without a window, driven by its DevTools protocol over a pipe.

The pipe (file descriptors 3 and 4, JSON ended by a zero byte) needs neither a port nor a driver
of the browser's very version.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.tools import need_programs

PROGRAM = "chromium"


class Browser:
    """One browser with one page; ``close`` ends it."""

    def __init__(self, profile: Path) -> None:
        need_programs(PROGRAM)
        hear, their_out = os.pipe()
        their_in, say = os.pipe()
        self._process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{their_in} 4>&{their_out}', "bash", PROGRAM),
                *("--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run"),
                *(("--no-sandbox",) if os.geteuid() == 0 else ()),
                *("--disable-dev-shm-usage", f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(their_in, their_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_in)
        os.close(their_out)
        self._hear, self._say = os.fdopen(hear, "rb"), os.fdopen(say, "wb", buffering=0)
        self._number, self._rest = 0, b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._session = None
        self.call("Browser.close")
        self._process.wait(30)
        self._hear.close()
        self._say.close()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command and its result; what the browser says meanwhile goes to ``events``."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._say.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer)
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def open(self, file: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Loads a file in a window of a size, and waits until it is all there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=file.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())
        self.ask("document.fonts.ready.then(() => true)")

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def hover(self, selector: str) -> None:
        """Rests the pointer on the middle of the first element of a selector."""
        x, y = self.ask(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center'});"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.ask("new Promise(done => setTimeout(() => done(true), 300))")

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, exceptions, and what a policy forbade."""
        found = [e for e in self.events if e.get("method") == "Runtime.exceptionThrown"]
        found += [
            e
            for e in self.events
            if e.get("method") == "Log.entryAdded"
            and e["params"]["entry"]["level"] in ("error", "warning")
        ]
        found += [e for e in self.events if e.get("method") == "Runtime.consoleAPICalled"]
        return [json.dumps(event["params"]) for event in found]

    def requests(self) -> list[str]:
        """The addresses that the page asked for, its own among them."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def screenshot(self, file: Path) -> None:
        """The whole page as a PNG file."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._hear.fileno(), 1 << 20)
            assert piece, f"chromium has ended: {self._process.poll()}"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message
