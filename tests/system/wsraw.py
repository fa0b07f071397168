"""A WebSocket client that can do everything wrong, on a bare socket."""

import base64
import hashlib
import json
import os
import socket
import ssl
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Closed(Exception):
    """The server has closed the connection."""


def frame(op, payload=b"", fin=True, rsv=0, mask=True, form=None, length=None):
    """A frame; form: 7, 16 or 64 bits of length, whatever it is."""
    n = len(payload) if length is None else length
    if form is None:
        form = 7 if n < 126 else 16 if n < 65536 else 64
    head = bytes([(0x80 if fin else 0) | rsv << 4 | op])
    bit = 0x80 if mask else 0
    if form == 7:
        head += bytes([bit | n])
    elif form == 16:
        head += struct.pack("!BH", bit | 126, n)
    else:
        head += struct.pack("!BQ", bit | 127, n)
    if not mask:
        return head + payload
    key = os.urandom(4)
    whole = (key * (len(payload) // 4 + 1))[:len(payload)]
    return head + key + (int.from_bytes(payload, "big") ^
                         int.from_bytes(whole, "big")).to_bytes(
                             len(payload), "big")


def text(message, **kw):
    if not isinstance(message, (str, bytes)):
        message = json.dumps(message)
    if isinstance(message, str):
        message = message.encode()
    return frame(TEXT, message, **kw)


class Raw:
    """One connection."""

    def __init__(self, host, port, tls=None, before=b"", timeout=10,
                 rcvbuf=None, source=None):
        self.host, self.port = host, port
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.settimeout(timeout)
        if source:
            s.bind((source, 0))
        s.connect((host, port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if before:
            s.sendall(before)
        if tls:
            s = tls.wrap_socket(s, server_hostname="localhost")
        self.s = s
        self.buf = b""

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.s.close()

    def send(self, data):
        self.s.sendall(data)

    def drip(self, data):
        """Byte by byte, each in a packet of its own."""
        for i in range(len(data)):
            self.s.sendall(data[i:i + 1])

    def fill(self):
        try:
            more = self.s.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            more = b""
        if not more:
            raise Closed
        self.buf += more

    def take(self, n):
        while len(self.buf) < n:
            self.fill()
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    # ---- HTTP

    def request(self, path="/v1/ws", method="GET", version="HTTP/1.1",
                headers=None, without=(), more=b""):
        """The bytes of an upgrade request, with some headers changed."""
        self.key = base64.b64encode(os.urandom(16))
        h = [("Host", "%s:%d" % (self.host, self.port)),
             ("Connection", "Upgrade"), ("Upgrade", "websocket"),
             ("Sec-WebSocket-Version", "13"),
             ("Sec-WebSocket-Key", self.key.decode()),
             ("Sec-WebSocket-Protocol", "kith.v1")]
        h = [(k, v) for k, v in h if k not in without]
        h += headers or []
        return ("%s %s %s\r\n%s\r\n" % (
            method, path, version,
            "".join("%s: %s\r\n" % kv for kv in h))).encode() + more

    def response(self, head=False):
        """Status, headers (lower case) and body of an answer."""
        while b"\r\n\r\n" not in self.buf:
            self.fill()
        top, self.buf = self.buf.split(b"\r\n\r\n", 1)
        lines = top.decode().split("\r\n")
        headers = {}
        for line in lines[1:]:
            k, v = line.split(":", 1)
            headers[k.lower()] = v.strip()
        status = int(lines[0].split()[1])
        n = int(headers.get("content-length", "0"))
        return status, headers, b"" if head else self.take(n)

    def get(self, path, method="GET", **kw):
        self.send(self.request(path, method, without=(
            "Connection", "Upgrade", "Sec-WebSocket-Version",
            "Sec-WebSocket-Key", "Sec-WebSocket-Protocol"), **kw))
        return self.response(head=method == "HEAD")

    def upgrade(self, **kw):
        self.send(self.request(**kw))
        status, headers, _ = self.response()
        assert status == 101, status
        want = base64.b64encode(hashlib.sha1(self.key + GUID).digest())
        assert headers["sec-websocket-accept"] == want.decode()
        assert headers["sec-websocket-protocol"] == "kith.v1"
        return self

    # ---- WebSocket

    def read(self):
        """The next frame: opcode and payload; it must be whole and plain."""
        b0, b1 = self.take(2)
        assert b0 & 0x70 == 0 and b1 & 0x80 == 0, "reserved bits or a mask"
        assert b0 & 0x80, "the server does not fragment"
        n = b1
        if n == 126:
            n, = struct.unpack("!H", self.take(2))
            assert n >= 126
        elif n == 127:
            n, = struct.unpack("!Q", self.take(8))
            assert n >= 65536
        return b0 & 15, self.take(n)

    def message(self):
        """The next text message, as JSON."""
        while True:
            op, payload = self.read()
            if op == TEXT:
                return json.loads(payload)
            if op == CLOSE:
                raise Closed(payload)

    def ask(self, **request):
        self.send(text(request))
        while True:
            m = self.message()
            if m.get("id") == request["id"]:
                return m

    def login(self, token):
        m = self.ask(op="resume", id=1, token=token, live=False)
        assert "ok" in m, m
        return self

    def closing(self):
        """Reads up to the close frame; its code, or None without one."""
        while True:
            op, payload = self.read()
            if op == CLOSE:
                return struct.unpack("!H", payload[:2])[0] if payload else None

    def eof(self):
        """Waits until the server has closed the connection."""
        try:
            while True:
                self.fill()
        except Closed:
            return True
