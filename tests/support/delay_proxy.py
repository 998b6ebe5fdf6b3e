#!/usr/bin/python3
"""A TCP proxy for a long, thin or treacherous line.

usage: delay_proxy.py LISTEN:PORT TARGET:PORT [--delay SECONDS] [--cut BYTES] [--stall BYTES] [--count WHOSE] [--end BYTES]
       [--drip BYTES] [--rate BYTES_A_SECOND]
  --delay   each byte arrives so much later, either way (half a round trip)
  --cut     after so many bytes both ends are reset; later connections are not
  --stall   after so many bytes nothing passes any more, either way
  --count   whose bytes are cut or stalled: those from the `target` (the default), or those `to-target`
  --end     after so many bytes from the target it seems to have ended: FIN, and nobody reads
  --drip    after so many bytes from the target one a second comes
  --rate    bytes a second from the target, for all connections together
Also usable from Python: `with DelayProxy(("127.0.0.1", 0), target, delay=0.05) as proxy: proxy.address`.
"""
import argparse
import asyncio
import socket
import struct
import threading
import time


FROM_TARGET, TO_TARGET = "target", "to-target"
CUT = object()   # in place of a piece


class DelayProxy:
    def __init__(self, listen, target, delay=0.0, cut=None, stall=None, end=None, drip=None, rate=None, count=FROM_TARGET):
        self.listen, self.target = listen, target
        self.delay, self.end, self.drip, self.rate = delay, end, drip, rate
        self.begin_again(cut, stall, count)
        self.connections = 0
        self.address = None
        self._open = set()     # tasks of connections: the loop itself lets go of one that waits
        self._budget_at = 0.0
        self._loop = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin_again(self, cut=None, stall=None, count=FROM_TARGET):
        """Counts from nothing; for connections to come."""
        self.cut, self.stall, self.count = cut, stall, count
        self.from_target = self.to_target = 0   # bytes, of all connections
        self.has_fired = False                  # was anything cut or stalled

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
        pipes = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pipes:
            task.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)

    async def _connection(self, reader, writer):
        self.connections += 1
        self._open.add(asyncio.current_task())
        try:
            await self._pass_on(reader, writer)
        finally:
            self._open.discard(asyncio.current_task())

    async def _pass_on(self, reader, writer):
        try:
            target_reader, target_writer = await asyncio.open_connection(*self.target)
        except OSError:
            reset(writer)
            return
        for each in (writer, target_writer):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ends = (writer, target_writer)
        pipes = [asyncio.create_task(self._pipe(reader, target_writer, ends, False)),
                 asyncio.create_task(self._pipe(target_reader, writer, ends, True))]
        try:
            await asyncio.gather(*pipes)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for pipe in pipes:   # the other one goes on by itself when one fails
                pipe.cancel()
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
                if piece is CUT:
                    for each in ends:
                        reset(each)
                    return
                writer.write(piece)
                await writer.drain()

        delivery = asyncio.create_task(deliver())
        try:
            while piece := await reader.read(self._at_once() if is_from_target else 65536):
                if is_from_target:
                    await self._wait_for_turn(piece)
                piece, is_cut = self._let_through(piece, is_from_target)
                if piece:
                    await queue.put((time.monotonic() + self.delay, piece))
                if is_cut:
                    await queue.put((time.monotonic() + self.delay, CUT))
            await queue.put((time.monotonic() + self.delay, None))
            await delivery
        finally:
            delivery.cancel()

    def _at_once(self):
        """How much is read at once, 0 at the end."""
        for limit, beyond in ((self.end, 0), (self.drip, 1)):
            if limit is not None:
                return min(65536, limit - self.from_target) if self.from_target < limit else beyond
        return 65536

    async def _wait_for_turn(self, piece):
        if self.drip is not None and self.from_target >= self.drip:
            await asyncio.sleep(1)
        if self.rate:
            now = time.monotonic()
            self._budget_at = max(self._budget_at, now) + len(piece) / self.rate
            await asyncio.sleep(self._budget_at - now)

    def _let_through(self, piece, is_from_target):
        """What of it passes, and whether the line is cut behind it."""
        is_counted = is_from_target == (self.count == FROM_TARGET)
        before = self.from_target if self.count == FROM_TARGET else self.to_target
        if is_from_target:
            self.from_target += len(piece)
        else:
            self.to_target += len(piece)
        now = before + len(piece) if is_counted else before
        if self.cut is not None and now >= self.cut:
            piece, self.cut, self.has_fired = piece[:self.cut - before], None, True
            return piece, True
        if self.stall is not None and now >= self.stall:
            self.has_fired = True
            return piece[:max(0, self.stall - before)] if is_counted else b"", False
        return piece, False


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
    for name in ("--cut", "--stall", "--end", "--drip", "--rate"):
        parser.add_argument(name, type=int)
    parser.add_argument("--count", choices=(FROM_TARGET, TO_TARGET), default=FROM_TARGET)
    options = parser.parse_args()
    asyncio.run(DelayProxy(**vars(options)).serve())


if __name__ == "__main__":
    main()
