#!/usr/bin/python3
"""The gateway with a main that pretends, tests/system/gateway_main.c.

    KITH_BUILD=DIR gateway.py [CASE ...]
"""

import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import traceback

from wsraw import (CLOSE, PING, PONG, TEXT, Closed, Raw, frame, text)

PROGRAM = ""
DIR = ""
CASES = []
SANITIZED = False


def case(f):
    CASES.append(f)
    return f


class Gateway:
    """A running gateway_main; leaving it checks that it ends well."""

    def __init__(self, **options):
        args = ["%s=%s" % kv for kv in options.items()]
        self.p = subprocess.Popen([PROGRAM] + args, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        line = self.p.stdout.readline()
        assert line, "it did not start"
        self.port = json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, tb):
        if kind is not None:
            self.p.kill()
            self.p.wait()
            return
        assert self.stop() == 0, "exit status %d" % self.p.returncode

    def command(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())

    def stats(self):
        return self.command("stats")

    def wait(self, what, deadline=20):
        """Polls the numbers until what(numbers) holds."""
        end = time.monotonic() + deadline
        while True:
            s = self.stats()
            if what(s):
                return s
            assert time.monotonic() < end, "never: %s" % s
            time.sleep(0.01)

    def stop(self):
        if self.p.poll() is None:
            self.p.stdin.close()
        return self.p.wait(timeout=30)

    def raw(self, which="plain", **kw):
        return Raw("127.0.0.1", self.port[which], **kw)

    def ws(self, which="plain", **kw):
        return self.raw(which, **kw).upgrade()

    def member(self, which="plain", **kw):
        return self.ws(which, **kw).login("x")


def seconds(since):
    return time.monotonic() - since


def read_feed(c, n):
    """Positions 1 to n, each once and in order."""
    at = 1
    while at <= n:
        m = c.message()
        if m.get("push") == "event":
            assert m["seq"] == at, "%d after %d" % (m["seq"], at - 1)
            at += 1


# ---- requests and answers

@case
def conformance():
    with Gateway() as g:
        subprocess.run(["/usr/bin/python3",
                        os.path.join(os.path.dirname(__file__),
                                     "websocket.py"),
                        "127.0.0.1", str(g.port["plain"]), "x"], check=True)


@case
def an_echo_comes_back():
    with Gateway() as g, g.member() as c:
        for i in range(2, 200):
            m = c.ask(op="send", id=i, to="me", stream=1, number=i,
                      text="\u00e9" * i)
            assert m["ok"]["text"] == "\u00e9" * i
        # The last write is counted after the client has it.
        end = time.monotonic() + 5
        while g.stats()["pushed_count"] < 199 and time.monotonic() < end:
            time.sleep(0.01)
        s = g.stats()
        assert s["pushed_count"] == 199 and s["connections"] == [1]
        assert s["sessions"] == [1]


@case
def main_can_close():
    with Gateway() as g, g.member() as c:
        m = c.ask(op="send", id=2, to="close", stream=1, number=1, text="x")
        assert m["ok"]["text"] == "x"
        assert c.closing() == 1000
        c.send(frame(CLOSE, struct.pack("!H", 1000)))
        c.eof()
        c.s.close()
        g.wait(lambda s: s["closed"] == 1 and s["connections"] == [0])


@case
def acknowledgements_are_merged():
    with Gateway() as g, g.member() as c:
        c.send(b"".join(text({"op": "ack", "log": "me", "seq": i})
                        for i in range(1, 101)) +
               text({"op": "ack", "log": "you", "seq": 1}))
        c.ask(op="send", id=2, to="me", stream=1, number=1, text="x")
        s = g.stats()
        assert s["acks_merged"] + s["acks"] == 101
        assert s["acks_merged"] >= 50, s


@case
def clients_that_come_and_go_leave_nothing():
    with Gateway(workers=2) as g:
        for i in range(300):
            c = g.ws() if i % 3 else g.raw()
            if i % 3 == 1:
                c.send(text({"op": "login", "id": 1, "account": "a",
                             "password": "b", "name": "c"}))
            elif i % 3 == 2:
                c.login("x")
                c.send(text({"op": "send", "id": 2, "to": "feed", "stream": 9,
                             "number": 2000, "text": ""}))
            c.s.close()
        s = g.wait(lambda s: sum(s["connections"]) == 0)
        g.wait(lambda s: s["closed"] >= 100)
        assert s["sessions"] == [0, 0]


@case
def at_the_end_everybody_is_told():
    with Gateway(workers=2) as g:
        cs = [g.member() for _ in range(10)]
        plain = g.raw()
        g.p.stdin.close()
        for c in cs:
            m = c.message()
            assert m["push"] == "bye" and m["code"] == "closed", m
            assert c.closing() == 1001
            c.s.close()
        plain.eof()
        assert g.stop() == 0


@case
def metrics_come_from_main():
    with Gateway() as g, g.raw("metrics") as c:
        for _ in range(3):
            status, headers, body = c.get("/metrics")
            assert status == 200 and body == b"kith_pretended 1\n"
            assert headers["content-type"].startswith(
                "text/plain; version=0.0.4")
        assert c.get("/metrics", method="HEAD")[0] == 200
        assert c.get("/v1/ws")[0] == 404
    with Gateway() as g, g.raw() as c:
        assert c.get("/metrics")[0] == 404


@case
def readiness_says_why_not():
    with Gateway() as g, g.raw() as c:
        assert c.get("/readyz")[2] == b"ready\n"
        g.command("ready 0 the disk is full")
        status, _, body = c.get("/readyz")
        assert status == 503 and b"the disk is full" in body
        assert c.get("/healthz")[0] == 200
        g.command("ready 1 ")
        assert c.get("/readyz")[0] == 200


def use_everything(g):
    """A little of all that allocates; whatever fails may fail."""
    tls = g.port["tls"] and context()
    for which, before in (("plain", b""), ("tls", b""),
                          ("proxy", proxy_header("192.0.2.1"))):
        if not g.port[which]:
            continue
        with g.member(which, tls=tls if which == "tls" else None,
                      before=before, timeout=3, rcvbuf=4096) as c:
            c.drip(text({"op": "ping", "id": 2}))
            assert c.message()["id"] == 2
            whole = text({"op": "send", "id": 3, "to": "me", "stream": 1,
                          "number": 1, "text": "y" * 5000})
            c.send(whole[:2000])
            c.send(whole[2000:] + frame(PING))
            c.send(text({"op": "send", "id": 4, "to": "feed", "stream": 300,
                         "number": 1000, "text": ""}))
            read_feed(c, 300)
    with g.raw("metrics", timeout=3) as c:
        assert c.get("/metrics")[0] == 200


@case
def any_allocation_may_fail():
    options = dict(max_output=16384, **certificate("one"))
    with Gateway(fail=4000000000, **options) as g:
        use_everything(g)
        n = g.stats()["allocations"]
    failures = 0
    for i in list(range(1, n + 1, 3 if SANITIZED else 1)):
        with Gateway(fail=i, **options) as g:
            try:
                use_everything(g)
            except (AssertionError, Closed, OSError):
                failures += 1
            # Whoever was hit is gone; the next one finds all in order.
            try:
                use_everything(g)
            except (AssertionError, Closed, OSError):
                use_everything(g)
            g.wait(lambda s: s["connections"] == [0])
    print("  %d allocations, %d showed" % (n, failures))


# ---- those who do not read

def slow_reader(which, **kw):
    n = 4000 if SANITIZED else 20000
    with Gateway(max_output=65536, **kw) as g, \
            g.member(which, tls=context() if which == "tls" else None,
                     rcvbuf=4096) as c:
        before = g.stats()["rss_kb"]
        c.send(text({"op": "send", "id": 2, "to": "feed", "stream": n,
                     "number": 1000, "text": ""}))
        g.wait(lambda s: s["suspended"] >= 1)
        with g.member(which, tls=context() if which == "tls" else None) as d:
            for i in range(2, 50):
                d.ask(op="send", id=i, to="d", stream=1, number=i, text="x")
        s = g.stats()
        assert SANITIZED or s["rss_kb"] < before + 4096, s
        read_feed(c, n)
        s = g.stats()
        assert s["overflowed"] == 0
        print("  suspended %d times" % s["suspended"])


@case
def a_slow_reader_misses_nothing():
    slow_reader("plain")


@case
def a_slow_reader_of_tls_misses_nothing():
    slow_reader("tls", **certificate("one"))


@case
def who_never_reads_notices_is_closed():
    with Gateway(max_output=16384) as g, g.member(rcvbuf=4096) as c:
        for i in range(100):
            c.send(text({"op": "send", "id": 2, "to": "notice", "stream": 100,
                         "number": 1000, "text": ""}))
        g.wait(lambda s: s["overflowed"] == 1 and s["connections"] == [0])


@case
def who_does_not_read_answers_is_not_read():
    with Gateway(max_output=16384) as g, g.member(rcvbuf=4096) as c:
        c.s.setblocking(False)
        one = text({"op": "send", "id": 2, "to": "me", "stream": 1,
                    "number": 1, "text": "x" * 4000})
        sent = 0
        end = time.monotonic() + 2
        quiet = 0
        while time.monotonic() < end and quiet < 20:
            try:
                sent += c.s.send(one[sent % len(one):])
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.02)
        assert quiet == 20, "it reads without end"
        s = g.stats()
        assert s["overflowed"] == 0 and s["connections"] == [1]
        # And goes on where it stopped.
        c.s.setblocking(True)
        c.s.settimeout(10)
        for _ in range(sent // len(one)):
            assert c.message()["id"] == 2


# ---- those who ask too much

@case
def a_connection_goes_by_its_rate():
    with Gateway(ops=200, ops_burst=20) as g, g.member() as c, \
            g.member() as d:
        c.ask(op="ping", id=5)
        start = time.monotonic()
        c.send(b"".join(text({"op": "ping", "id": i}) for i in range(10, 230)))
        for i in range(2, 12):
            sent = time.monotonic()
            d.ask(op="ping", id=i)
            assert SANITIZED or seconds(sent) < 0.1
        for i in range(10, 230):
            assert c.message()["id"] == i
        took = seconds(start)
        assert 0.9 <= took < 3, took
        assert g.stats()["rate_limited"] > 0


@case
def an_address_goes_by_its_rate():
    with Gateway(ops_address=200, ops_address_burst=20) as g:
        cs = [g.member() for _ in range(4)]
        start = time.monotonic()
        for c in cs:
            c.send(b"".join(text({"op": "ping", "id": i})
                            for i in range(10, 65)))
        for c in cs:
            for i in range(10, 65):
                assert c.message()["id"] == i
            c.s.close()
        took = seconds(start)
        assert 0.9 <= took < 3, took


@case
def pings_count_as_operations():
    with Gateway(ops=100, ops_burst=10) as g, g.member() as c:
        start = time.monotonic()
        c.send(frame(PING, b"x") * 110)
        for _ in range(110):
            assert c.read()[0] == PONG
        assert seconds(start) > 0.8


@case
def passwords_are_limited_by_address():
    with Gateway(passwords=3) as g:
        def login():
            with g.ws() as c:
                return c.ask(op="login", id=1, account="a", password="b",
                             name="c")
        for _ in range(3):
            assert "ok" in login()
        assert login()["error"]["code"] == "rate-limited"
        with g.ws() as c:
            c.login("x")  # tokens are not passwords


@case
def an_address_has_so_many_connections():
    with Gateway(max_connections_address=3) as g:
        cs = [g.ws() for _ in range(3)]
        with g.raw() as c:
            assert c.response()[0] == 429
            c.eof()
        cs[0].s.close()
        g.wait(lambda s: s["connections"] == [2])
        g.ws().s.close()
        assert g.stats()["refused_address"] == 1
        for c in cs:
            c.s.close()


@case
def all_together_have_so_many_connections():
    with Gateway(max_connections=5, workers=2) as g:
        cs = [g.ws() for _ in range(5)]
        with g.raw() as c:
            assert c.response()[0] == 503
        for c in cs:
            c.s.close()
        g.wait(lambda s: sum(s["connections"]) == 0)
        g.ws().s.close()


@case
def a_full_main_is_waited_for():
    with Gateway(capacity=300, workers=2) as g:
        cs = [g.member() for _ in range(20)]
        g.command("press 1")
        for c in cs:
            c.send(b"".join(text({"op": "ping", "id": i})
                            for i in range(2, 302)))
        n = g.stats()["requests"]
        time.sleep(0.3)  # the pause is the test: nothing must happen
        assert g.stats()["requests"] <= n + 20
        g.command("press 0")
        for c in cs:
            for i in range(2, 302):
                assert c.message()["id"] == i
            c.s.close()


# ---- those who take their time

@case
def a_request_must_be_complete_in_time():
    with Gateway(request_ms=400) as g:
        start = time.monotonic()
        silent, slow, half = g.raw(), g.raw(), g.member()
        slow.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        half.send(text({"op": "ping", "id": 1})[:-3])
        silent.eof()
        assert 0.3 < seconds(start) < 2, seconds(start)
        assert slow.response()[0] == 408
        assert half.message() == {"push": "bye", "code": "timeout",
                                  "text": "it took too long"}
        assert half.closing() == 1008
        assert seconds(start) < 2
        assert g.stats()["timeouts"] == 3


@case
def dripping_bytes_wins_no_time():
    with Gateway(request_ms=500) as g:
        h, w, f = g.raw(), g.member(), g.member()
        start = time.monotonic()
        head = h.request()
        message = text({"op": "ping", "id": 1, "x": "y" * 100})
        f.send(frame(TEXT, b"{", fin=False))
        i = 0
        open_ = {h, w, f}
        while open_ and seconds(start) < 5:
            for c in list(open_):
                try:
                    c.send(head[i:i + 1] if c is h else
                           message[i:i + 1] if c is w else
                           frame(0, b" ", fin=False))
                    c.s.setblocking(False)
                    if not c.s.recv(65536):
                        open_.discard(c)
                except BlockingIOError:
                    pass
                except OSError:
                    open_.discard(c)
                finally:
                    c.s.setblocking(True)
            i += 1
            time.sleep(0.02)
        assert not open_ and seconds(start) < 4, open_
        assert g.stats()["timeouts"] == 3


@case
def a_busy_connection_is_not_a_slow_one():
    with Gateway(request_ms=300) as g, g.member() as c:
        # Always in the middle of some frame, but never long in the same.
        data = b"".join(text({"op": "ping", "id": i}) for i in range(2, 202))
        for i in range(0, len(data), 37):
            c.send(data[i:i + 37])
            time.sleep(0.005)
        for i in range(2, 202):
            assert c.message()["id"] == i


@case
def who_does_not_log_in_is_closed():
    with Gateway(login_ms=400) as g, g.ws() as c, g.member() as d:
        start = time.monotonic()
        assert c.message()["code"] == "timeout"
        assert c.closing() == 1008
        assert 0.2 < seconds(start) < 2
        d.ask(op="ping", id=3)


@case
def half_open_connections_are_found():
    with Gateway(ping_ms=300) as g, g.member() as dead, g.member() as c:
        start = time.monotonic()
        pings = 0
        while seconds(start) < 1.2:
            op, payload = c.read()
            if op == PING:
                pings += 1
                c.send(frame(PONG, payload))
        assert pings >= 2
        s = g.wait(lambda s: s["connections"] == [1])
        assert s["pings_lost"] == 1
        assert dead.read() == (PING, b"")
        dead.eof()


@case
def an_idle_http_connection_is_closed():
    with Gateway(idle_ms=300) as g, g.raw() as c:
        assert c.get("/healthz")[0] == 200
        start = time.monotonic()
        c.eof()
        assert 0.2 < seconds(start) < 2


# ---- PROXY and TLS

def proxy_header(address, port=1234):
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" +
            socket.inet_aton(address) + socket.inet_aton("192.0.2.9") +
            struct.pack("!HH", port, 443))


@case
def a_proxy_says_who_it_is():
    with Gateway(max_connections_address=2, request_ms=400) as g:
        def who(before, drip=False):
            c = g.raw("proxy")
            (c.drip if drip else c.send)(before)
            c.upgrade()
            return c, c.ask(op="resume", id=1, token="x")["ok"]["address"]
        a = who(proxy_header("198.51.100.7"))
        assert a[1] == "198.51.100.7"
        b = who(proxy_header("198.51.100.7"), drip=True)
        # The third of this address is refused, another one is not.
        with g.raw("proxy", before=proxy_header("198.51.100.7")) as c:
            c.eof()
        assert who(proxy_header("198.51.100.8"))[1] == "198.51.100.8"
        assert who(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")[1] == "127.0.0.1"
        six = (b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" +
               socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 +
               b"\0\1\0\2")
        assert who(six)[1] == "2001:db8::7"
        # Without the header: closed without a word, in time.
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n\0\r\nQUIT", b""):
            with g.raw("proxy", before=data) as c:
                c.eof()
                assert c.buf == b""
        a[0].s.close()
        b[0].s.close()


def certificate(name):
    """A fresh pair of files, and the options for it."""
    cert, key = (os.path.join(DIR, name + s) for s in (".crt", ".key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=" + name, "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return {"cert": cert, "key": key}


def context(alpn=("http/1.1",)):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    return ctx


def common_name(c):
    der = c.s.getpeercert(binary_form=True)
    return "one" if b"one" in der else "two" if b"two" in der else "?"


@case
def tls_works_and_its_certificate_can_be_changed():
    two = certificate("two")
    with Gateway(**certificate("one")) as g:
        with g.member("tls", tls=context()) as c:
            assert c.s.version() == "TLSv1.3"
            assert c.s.selected_alpn_protocol() == "http/1.1"
            assert common_name(c) == "one"
            for i in range(2, 20):
                want = "y" * (i * 3000)
                m = c.ask(op="send", id=i, to="me", stream=1, number=i,
                          text=want)
                assert m["ok"]["text"] == want
            assert g.command("reload cert=%(cert)s key=%(key)s" % two) == {
                "code": "ok"}
            with g.member("tls", tls=context()) as d:
                assert common_name(d) == "two"
            c.ask(op="ping", id=50)
            # One that does not fit is refused and changes nothing.
            bad = g.command("reload cert=%s key=%s" % (
                two["cert"], os.path.join(DIR, "one.key")))
            assert bad["code"] == "invalid", bad
            os.chmod(two["key"], 0o644)
            bad = g.command("reload cert=%(cert)s key=%(key)s" % two)
            assert bad["code"] == "bad-mode", bad
            with g.member("tls", tls=context()) as d:
                assert common_name(d) == "two"
            c.send(frame(CLOSE))
            assert c.closing() is None
            c.eof()
        two["key"] and os.chmod(two["key"], 0o600)


@case
def a_bad_certificate_is_told_at_the_start():
    good = certificate("one")
    for cert, key, why in (("/nowhere/cert", good["key"], "/nowhere/cert"),
                           (good["cert"], "/nowhere/key", "/nowhere/key"),
                           (good["key"], good["key"], good["key"])):
        p = subprocess.run([PROGRAM, "cert=" + cert, "key=" + key],
                           capture_output=True, text=True, check=False,
                           input="")
        assert p.returncode == 1 and why in p.stderr, p


@case
def tls_is_strict_and_resumes():
    with Gateway(request_ms=500, **certificate("one")) as g:
        old = context()
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.TLSv1
        for ctx in (old, context(alpn=("h2",))):
            try:
                g.raw("tls", tls=ctx)
                raise AssertionError("let in")
            except (ssl.SSLError, OSError):
                pass
        with g.raw("tls") as c:  # no TLS at all
            c.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            c.eof()
        with g.raw("tls") as c:  # nothing at all
            c.eof()
        ctx = context()
        with g.member("tls", tls=ctx) as c:
            session = c.s.session
        s = socket.create_connection(("127.0.0.1", g.port["tls"]))
        s = ctx.wrap_socket(s, server_hostname="localhost", session=session)
        assert s.session_reused
        s.close()
        twelve = context(alpn=())
        twelve.maximum_version = ssl.TLSVersion.TLSv1_2
        with g.member("tls", tls=twelve) as c:
            c.ask(op="ping", id=2)
            # Split anywhere, even within a record.
            c.s.settimeout(5)
        g.wait(lambda s: s["connections"] == [0])


@case
def the_conformance_of_a_pipe_holds_over_tls():
    with Gateway(**certificate("one")) as g, \
            g.member("tls", tls=context()) as c:
        c.send(b"".join(text({"op": "ping", "id": i})
                        for i in range(2, 2002)))
        for i in range(2, 2002):
            assert c.message()["id"] == i
        c.drip(text({"op": "ping", "id": 3000}))
        assert c.message()["id"] == 3000
        c.send(frame(PING, b"abc"))
        assert c.read() == (PONG, b"abc")
        c.send(frame(TEXT, b"", form=64, length=1 << 30))
        assert c.closing() == 1009
        c.eof()


@case
def rates_hold_over_tls():
    with Gateway(ops=200, ops_burst=20, **certificate("one")) as g, \
            g.member("tls", tls=context()) as c:
        start = time.monotonic()
        c.send(b"".join(text({"op": "ping", "id": i}) for i in range(10, 230)))
        for i in range(10, 230):
            assert c.message()["id"] == i
        assert 0.9 <= seconds(start) < 3


# ---- many

@case
def a_thousand_connections_are_spread_evenly():
    for workers in (2, 8, 16):
        with Gateway(workers=workers) as g:
            cs = [g.raw() for _ in range(1000)]
            s = g.wait(lambda s: sum(s["connections"]) == 1000)
            low, high = min(s["connections"]), max(s["connections"])
            print("  %d workers: %d to %d, %d handed over" % (
                workers, low, high, sum(s["handed_over"])))
            assert low * workers >= 800 and high * workers <= 1200, s
            for c in cs:
                c.s.close()
            g.wait(lambda s: sum(s["connections"]) == 0)


@case
def silent_connections_cost_little():
    n = 200 if SANITIZED else 2000
    with Gateway() as g:
        warm = [g.member() for _ in range(20)]
        before = g.stats()["rss_kb"]
        cs = [g.member() for _ in range(n)]
        s = g.stats()
        each = (s["rss_kb"] - before) * 1024 // n
        print("  %d bytes a connection (and its session here)" % each)
        assert SANITIZED or each <= 2048
        for c in warm + cs:
            c.s.close()
        g.wait(lambda s: s["connections"] == [0])


@case
def limits_can_be_changed():
    with Gateway(max_message=4096) as g, g.member() as c:
        big = text({"op": "send", "id": 2, "to": "me", "stream": 1,
                    "number": 1, "text": "x" * 10000})
        assert g.command("reload max_message=65536")["code"] == "ok"
        c.send(big)
        assert c.message()["id"] == 2
        assert g.command("reload max_message=4096")["code"] == "ok"
        c.send(big)
        assert c.closing() == 1009


def main():
    global PROGRAM, DIR, SANITIZED
    PROGRAM = os.path.join(os.environ["KITH_BUILD"],
                           "tests/system/gateway_main")
    DIR = tempfile.mkdtemp()
    SANITIZED = b"__asan_init" in open(PROGRAM, "rb").read() or \
        b"__tsan_init" in open(PROGRAM, "rb").read()
    failed = 0
    try:
        for f in CASES:
            if sys.argv[1:] and f.__name__ not in sys.argv[1:]:
                continue
            start = time.monotonic()
            try:
                f()
                verdict = "ok"
            except (AssertionError, Closed, OSError, ValueError, KeyError,
                    subprocess.SubprocessError) as e:
                failed += 1
                verdict = "FAIL %r" % e
                traceback.print_exc()
            print("%s %s (%.1f s)" % (verdict, f.__name__, seconds(start)),
                  flush=True)
    finally:
        shutil.rmtree(DIR)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
