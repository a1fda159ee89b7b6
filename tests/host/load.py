"""Requests at a rate, by a process of its own: python -m tests.host.load ADDRESS PORT RATE. Ends when its input does.

Half of the connections are kept, as browsers keep them, half are new for each request. Whatever is not a whole answer with the
status 200 is a failure; nothing is asked twice. At the end one line of JSON: how many, how long, and what failed.
"""

import asyncio
import json
import sys
import time
from collections import Counter

CONNECTIONS = 20


async def answer(reader: asyncio.StreamReader) -> tuple[str, str, bool]:
    """Status, first line of the body, and whether the connection stays."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    body = await reader.readexactly(int(fields.get("content-length", "0")))
    return head.split(" ")[1], body.decode().split("\n")[0], fields.get("connection") != "close"


class Load:
    """The counts."""

    def __init__(self, address: str, port: int, rate: float) -> None:
        self.address, self.port, self.pause = address, port, CONNECTIONS / rate
        self.names: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.times: list[float] = []
        self.stopped = False

    async def one(self, keep: bool) -> None:
        """One client."""
        streams = None
        while not self.stopped:
            began = time.monotonic()
            try:
                if streams is None:
                    streams = await asyncio.wait_for(asyncio.open_connection(self.address, self.port), 30)
                stays = b"" if keep else b"Connection: close\r\n"
                streams[1].write(b"GET /load HTTP/1.1\r\nHost: load\r\n" + stays + b"\r\n")
                status, name, stays_open = await asyncio.wait_for(answer(streams[0]), 30)
                if status == "200":
                    self.names[name] += 1
                else:
                    self.failed[status] += 1
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.failed[f"{type(error).__name__} {error} {'kept' if keep else 'new'}"] += 1
                stays_open = False
            if streams is not None and not (keep and stays_open):
                streams[1].close()
                streams = None
            self.times.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, self.pause - (time.monotonic() - began)))


async def main() -> None:
    """Run until the input ends."""
    load = Load(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    began = time.monotonic()
    clients = [asyncio.create_task(load.one(number % 2 == 0)) for number in range(CONNECTIONS)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    load.stopped = True
    await asyncio.gather(*clients)
    seconds = time.monotonic() - began
    sys.stdout.write(
        json.dumps({"names": load.names, "failed": load.failed, "seconds": seconds, "slowest": max(load.times)}) + "\n"
    )


if __name__ == "__main__":
    asyncio.run(main())
