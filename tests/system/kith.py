"""What the system tests share: a node as a real process, its control socket,
and a client of kith.v1 on python3-websockets.

Nothing here sleeps to wait for something: `until` polls with a deadline.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import websockets

BUILD = os.path.abspath(os.environ.get("KITH_BUILD", "build"))
REALM = "example.org"

# Commands that run before the daemon, for example valgrind.
WRAP = os.environ.get("KITH_WRAP", "").split()


class Failed(Exception):
    """A test's claim is not true."""


def check(true, what):
    if not true:
        raise Failed(what)


def program(name):
    return os.path.join(BUILD, name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


async def until(predicate, what, seconds=20.0):
    """Polls predicate (may be a coroutine function) until it is true."""
    end = time.monotonic() + seconds
    while True:
        value = predicate()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        await asyncio.sleep(0.01)


class Node:
    """One kithd on a temporary directory."""

    SETTINGS = {
        "gateway": {
            "workers": 2,
            "max_connections_address": 100000,
            "operations_per_second": 1000000,
            "operations_burst": 1000000,
            "address_operations_per_second": 1000000,
            "address_operations_burst": 1000000,
            "passwords_per_minute": 100000,
        },
        "account": {
            "operations_per_second": 1000000,
            "operations_burst": 1000000,
            "password_length": 4,
        },
        "password": {"memory": 1, "passes": 1},
        "queue": {"segment": 1, "max_bytes": 64, "reserve": 1},
    }

    def __init__(self, directory=None, settings=None, top=""):
        self.own = directory is None
        self.dir = directory or tempfile.mkdtemp(prefix="kith-test-")
        self.data = os.path.join(self.dir, "data")
        self.port = free_port()
        self.metrics_port = free_port()
        self.process = None
        self.log = os.path.join(self.dir, "log")
        self.settings = {k: dict(v) for k, v in self.SETTINGS.items()}
        for section, values in (settings or {}).items():
            self.settings.setdefault(section, {}).update(values)
        self.top = top
        self.env = {}
        self.write_config()

    @property
    def conf(self):
        return os.path.join(self.dir, "kithd.conf")

    @property
    def socket(self):
        return os.path.join(self.data, "control.sock")

    def write_config(self):
        lines = [
            f'realm = "{REALM}"',
            f'data = "{self.data}"',
            self.top,
            f'listen {{ address = "127.0.0.1" port = {self.port} }}',
            f'metrics {{ address = "127.0.0.1" port = {self.metrics_port} }}',
        ]
        for section, values in self.settings.items():
            body = " ".join(
                f"{k} = {json.dumps(v) if isinstance(v, str) else v}"
                if not isinstance(v, list)
                else f"{k} = {{{', '.join(json.dumps(i) for i in v)}}}"
                for k, v in values.items()
            )
            lines.append(f"{section} {{ {body} }}")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")

    def spawn(self):
        check(self.process is None, "the node runs already")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                WRAP + [program("kithd"), "-d", "-f", self.conf],
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.env},
            )

    async def start(self, seconds=30.0):
        self.spawn()
        await self.answering(seconds)

    async def answering(self, seconds=30.0):
        def alive():
            check(
                self.process.poll() is None,
                f"kithd ended with {self.process.poll()}: {self.log_tail()}",
            )
            try:
                return self.http("/healthz")[0] == 200
            except OSError:
                return False

        await until(alive, "kithd answers", seconds)

    def log_tail(self, n=20):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-n:])

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self, seconds=30):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.process = None
            raise Failed(f"kithd did not stop: {self.log_tail()}") from None
        self.process = None
        return status

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self.own and not os.environ.get("KITH_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def http(self, path, port=None, request=None, timeout=5.0):
        """(status, body) of a plain GET."""
        with socket.create_connection(
            ("127.0.0.1", port or self.port), timeout
        ) as s:
            s.sendall(
                request
                or f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def metrics(self):
        """Name (with labels) to value."""
        status, text = self.http("/metrics", self.metrics_port)
        check(status == 200, f"/metrics answers {status}")
        return {
            m[1]: float(m[2])
            for m in re.finditer(r"^(kith_\S+) (\S+)$", text, re.M)
        }

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    def control(self):
        return Control(self.socket)

    def accounts(self, *names, operator=False):
        """Adds accounts; returns name to token."""
        with self.control() as ctl:
            answers = ctl.many(
                {"op": "account-add", "account": n, "name": "test",
                 **({"operator": True} if operator else {})}
                for n in names
            )
        return {n: a["token"] for n, a in zip(names, answers)}


class Control:
    """The control socket, one JSON object a line."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(path)
        self.f = self.s.makefile("rb")
        self.ids = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()
        self.f.close()

    def send(self, request):
        request = {"id": next(self.ids), **request}
        self.s.sendall(json.dumps(request).encode() + b"\n")
        return request["id"]

    def receive(self):
        line = self.f.readline()
        check(line, "the control socket was closed")
        return json.loads(line)

    def op(self, op, /, **args):
        """The ok of one request; raises Refused."""
        self.send({"op": op, **args})
        return result(self.receive())

    def many(self, requests, window=500):
        """The oks of many requests, in order."""
        want, got = [], {}
        requests = iter(requests)
        more = True
        while more or len(got) < len(want):
            while more and len(want) - len(got) < window:
                request = next(requests, None)
                if request is None:
                    more = False
                    break
                want.append(self.send(request))
            if len(got) < len(want):
                answer = self.receive()
                got[answer["id"]] = result(answer)
        return [got[i] for i in want]


class Refused(Exception):
    """An error of the server, with its code."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['text']}")
        self.code = error["code"]


def result(answer):
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["ok"]


class Client:
    """One connection.  Pushes of the feed land in events, by log, contiguous
    and once; everything else in pushes."""

    def __init__(self, node, token=None):
        self.node = node
        self.token = token
        self.ids = itertools.count(1)
        self.waiting = {}
        self.events = []
        self.pushes = []
        self.heads = {}
        self.direct = []
        self.closed = asyncio.Event()
        self.ws = None
        self.reader = None
        self.auto_ack = True
        self.account = None
        self.numbers = {}

    async def connect(self, **resume):
        self.ws = await websockets.connect(
            f"ws://127.0.0.1:{self.node.port}/v1/ws",
            subprotocols=["kith.v1"],
            max_size=1 << 22,
            max_queue=None,
            ping_interval=None,
            compression=None,
        )
        self.closed.clear()
        self.reader = asyncio.create_task(self.read())
        if self.token is not None:
            ok = await self.op("resume", token=self.token, **resume)
            self.account = ok["account"]
            return ok
        return None

    async def read(self):
        try:
            async for text in self.ws:
                self.take(json.loads(text))
        except (websockets.ConnectionClosed, OSError):
            pass
        finally:
            self.closed.set()
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError("closed"))
            self.waiting.clear()

    def take(self, m):
        if "push" not in m:
            future = self.waiting.pop(m.get("id"), None)
            if future is not None and not future.done():
                future.set_result(m)
            return
        if m["push"] == "event":
            self.take_event(m)
        elif m["push"] == "direct":
            self.direct.append(m)
            asyncio.create_task(self.cast("direct", event=m["event"]))
        else:
            self.pushes.append(m)

    def take_event(self, m):
        log, seq = m["log"], m["pos"][1]
        head = self.heads.get(log)
        if head is not None and seq <= head:
            return
        joined = m["kind"] == "join" and m["from"] == self.account
        check(
            head is None or seq == head + 1 or joined,
            f"{self.account}: {log} jumps from {head} to {seq}",
        )
        self.heads[log] = seq
        self.events.append(m)
        if self.auto_ack:
            asyncio.create_task(self.cast("ack", log=log, seq=seq))

    async def cast(self, op, **args):
        """A request without an answer."""
        with contextlib.suppress(websockets.ConnectionClosed):
            await self.ws.send(json.dumps({"op": op, **args}))

    async def request(self, op, **args):
        """The future of an answer."""
        i = next(self.ids)
        future = asyncio.get_running_loop().create_future()
        self.waiting[i] = future
        try:
            await self.ws.send(json.dumps({"op": op, "id": i, **args}))
        except websockets.ConnectionClosed:
            self.waiting.pop(i, None)
            raise ConnectionError("closed") from None
        return future

    async def op(self, op, timeout=30.0, **args):
        return result(
            await asyncio.wait_for(await self.request(op, **args), timeout)
        )

    async def send(self, to, text, stream=1, number=None, **args):
        if number is None:
            number = self.numbers.get(stream, 0) + 1
        ok = await self.op(
            "send", to=to, text=text, stream=stream, number=number, **args
        )
        self.numbers[stream] = max(self.numbers.get(stream, 0), number)
        return ok

    async def refused(self, code, op, **args):
        """The operation must fail with this code."""
        try:
            ok = await self.op(op, **args)
        except Refused as e:
            check(e.code == code, f"{op}: expected {code}, got {e.code}")
            return
        raise Failed(f"{op}: expected {code}, got {ok}")

    def texts(self, log=None):
        return [
            e["text"]
            for e in self.events
            if e["kind"] == "message" and (log is None or e["log"] == log)
        ]

    async def close(self):
        if self.ws is not None:
            await self.ws.close()
            await self.reader


def run(*tests):
    """Runs the coroutine functions named on the command line, or all."""
    wanted = sys.argv[1:]
    failures = 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        began = time.monotonic()
        try:
            asyncio.run(test())
            word = "ok"
        except Exception as e:  # pylint: disable=broad-except
            failures += 1
            word = f"FAILED: {type(e).__name__}: {e}"
            if os.environ.get("KITH_TRACE"):
                import traceback

                traceback.print_exc()
        print(f"{test.__name__}: {word} ({time.monotonic() - began:.1f} s)",
              flush=True)
    print(f"{sys.argv[0]}: {failures} failed", flush=True)
    sys.exit(1 if failures else 0)


@contextlib.asynccontextmanager
async def running(**args):
    """A started node, taken away afterwards."""
    node = Node(**args)
    try:
        await node.start()
        yield node
    finally:
        node.close()
