#!/usr/bin/python3
"""A TCP proxy for a long, thin or treacherous line.

usage: delay_proxy.py LISTEN:PORT TARGET:PORT [--delay SECONDS] [--cut BYTES] [--stall BYTES] [--rate BYTES_A_SECOND]
  --delay   each byte arrives so much later, either way (half a round trip)
  --cut     after so many bytes from the target both ends are reset; later connections are not
  --stall   after so many bytes from the target nothing passes any more, either way
  --rate    bytes a second from the target, for all connections together
Also usable from Python: `with DelayProxy(("127.0.0.1", 0), target, delay=0.05) as proxy: proxy.address`.
"""
import argparse
import asyncio
import socket
import struct
import threading
import time


class DelayProxy:
    def __init__(self, listen, target, delay=0.0, cut=None, stall=None, rate=None):
        self.listen, self.target = listen, target
        self.delay, self.cut, self.stall, self.rate = delay, cut, stall, rate
        self.from_target = 0   # bytes, of all connections
        self.connections = 0
        self.address = None
        self._budget_at = 0.0
        self._loop = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *unused):
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()

    def _run(self):
        asyncio.run(self.serve())

    async def serve(self):
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        server = await asyncio.start_server(self._connection, *self.listen)
        self.address = server.sockets[0].getsockname()[:2]
        self._started.set()
        await self._done.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connection(self, reader, writer):
        self.connections += 1
        try:
            target_reader, target_writer = await asyncio.open_connection(*self.target)
        except OSError:
            reset(writer)
            return
        for each in (writer, target_writer):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ends = (writer, target_writer)
        try:
            await asyncio.gather(self._pipe(reader, target_writer, ends, False),
                                 self._pipe(target_reader, writer, ends, True))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in ends:
                each.close()

    async def _pipe(self, reader, writer, ends, is_from_target):
        """Reads at once and writes each piece when its time has come, so that a delay does not cost rate."""
        queue = asyncio.Queue(maxsize=4096)

        async def deliver():
            while True:
                due, piece = await queue.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if piece is None:
                    writer.write_eof()
                    return
                writer.write(piece)
                await writer.drain()

        delivery = asyncio.create_task(deliver())
        try:
            while piece := await reader.read(65536):
                if is_from_target:
                    piece = await self._treat(piece, ends)
                elif self.stall is not None and self.from_target >= self.stall:
                    continue
                await queue.put((time.monotonic() + self.delay, piece))
            await queue.put((time.monotonic() + self.delay, None))
            await delivery
        finally:
            delivery.cancel()

    async def _treat(self, piece, ends):
        before, self.from_target = self.from_target, self.from_target + len(piece)
        if self.rate:
            now = time.monotonic()
            self._budget_at = max(self._budget_at, now) + len(piece) / self.rate
            await asyncio.sleep(self._budget_at - now)
        if self.cut is not None and self.from_target >= self.cut:
            self.cut = None
            for each in ends:
                reset(each)
            raise ConnectionResetError
        if self.stall is not None and self.from_target >= self.stall:
            return piece[:max(0, self.stall - before)]
        return piece


def reset(writer):
    """Ends a connection with RST, as a crash or a firewall does."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n  --")[0])
    parser.add_argument("listen", type=endpoint)
    parser.add_argument("target", type=endpoint)
    parser.add_argument("--delay", type=float, default=0.0)
    for name in ("--cut", "--stall", "--rate"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    asyncio.run(DelayProxy(**vars(options)).serve())


if __name__ == "__main__":
    main()
