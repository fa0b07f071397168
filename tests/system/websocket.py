#!/usr/bin/python3
"""Conformance of the gateway's HTTP and WebSocket, RFC 6455.

    websocket.py HOST PORT TOKEN
    KITH_BUILD=DIR websocket.py

Each case is a function with a claim for a name.  They need nothing but a
server that lets TOKEN in by operation resume and has the default limits;
without arguments that is a kithd of its own.
"""

import asyncio
import struct
import sys
import traceback

from wsraw import (BINARY, CLOSE, PING, PONG, TEXT, Closed, Raw, frame, text)

HOST, PORT, TOKEN = "127.0.0.1", 0, ""
MAX_MESSAGE = 131072
CASES = []


def case(f):
    CASES.append((f.__name__, f))
    return f


def cases(*args):
    """The same claim for several inputs."""
    def wrap(f):
        for a in args:
            CASES.append(("%s[%s]" % (f.__name__, a),
                          lambda a=a: f(a)))
        return f
    return wrap


def raw(**kw):
    return Raw(HOST, PORT, **kw)


def ws():
    """An open WebSocket, nobody logged in."""
    return raw().upgrade()


def member():
    return ws().login(TOKEN)


def answered(c, n=7):
    """Whatever has been sent before has left the connection in order."""
    c.send(text({"op": "ping", "id": n}))
    while True:
        m = c.message()
        if m.get("id") == n:
            return m


def refused(c, status):
    """Answered by an HTTP error, and closed."""
    got, headers, _ = c.response()
    assert got == status, got
    return headers


def fails(data, code, opener=ws):
    """The server closes with that code, and then the connection."""
    with opener() as c:
        c.send(data)
        got = c.closing()
        assert got == code, got
        c.eof()


# ---- the handshake, section 4.2

@case
def an_upgrade_is_accepted():
    with ws() as c:
        answered(c)


@case
def names_and_tokens_ignore_case():
    with raw() as c:
        c.upgrade(without=("Connection", "Upgrade"), headers=[
            ("CONNECTION", "keep-alive, UPGRADE"), ("upgrade", "WebSocket")])


@case
def one_of_several_subprotocols_is_taken():
    with raw() as c:
        c.upgrade(without=("Sec-WebSocket-Protocol",), headers=[
            ("Sec-WebSocket-Protocol", "chat, superchat"),
            ("Sec-WebSocket-Protocol", "kith.v2,kith.v1")])


@case
def the_handshake_may_come_byte_by_byte():
    with raw() as c:
        c.drip(c.request())
        assert c.response()[0] == 101
        answered(c)


@case
def frames_may_follow_at_once():
    with raw() as c:
        c.send(c.request(more=text({"op": "ping", "id": 3})))
        assert c.response()[0] == 101
        assert c.message()["id"] == 3


@case
def the_target_may_be_absolute_and_have_a_query():
    with raw() as c:
        c.upgrade(path="http://%s:%d/v1/ws?x=y" % (HOST, PORT))


@cases("Connection", "Upgrade", "Sec-WebSocket-Version")
def without_an_upgrade_it_is_required(header):
    with raw() as c:
        c.send(c.request(without=(header,)))
        headers = refused(c, 426)
        assert headers["upgrade"] == "websocket"
        assert headers["sec-websocket-version"] == "13"


@case
def another_version_is_told_the_right_one():
    with raw() as c:
        c.send(c.request(without=("Sec-WebSocket-Version",),
                         headers=[("Sec-WebSocket-Version", "8")]))
        assert refused(c, 426)["sec-websocket-version"] == "13"


@cases("Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Host")
def without_a_needed_header_it_is_refused(header):
    with raw() as c:
        c.send(c.request(without=(header,)))
        refused(c, 400)


@cases("short", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25j****ZQ==",
       "dGhlIHNhbXBsZSBub25jZQ!=")
def a_bad_key_is_refused(key):
    with raw() as c:
        c.send(c.request(without=("Sec-WebSocket-Key",),
                         headers=[("Sec-WebSocket-Key", key)]))
        refused(c, 400)


@cases("Host", "Sec-WebSocket-Key")
def twice_the_same_header_is_refused(header):
    with raw() as c:
        c.send(c.request(headers=[(header, "dGhlIHNhbXBsZSBub25jZQ==")]))
        refused(c, 400)


@case
def another_subprotocol_is_refused():
    with raw() as c:
        c.send(c.request(without=("Sec-WebSocket-Protocol",),
                         headers=[("Sec-WebSocket-Protocol", "kith.v10")]))
        refused(c, 400)


@cases("https://evil.example", "null", "http://127.0.0.1.evil.example")
def a_foreign_page_is_refused(origin):
    with raw() as c:
        c.send(c.request(headers=[("Origin", origin)]))
        refused(c, 403)


@case
def the_own_page_is_let_in():
    with raw() as c:
        c.upgrade(headers=[("Origin", "http://%s:%d" % (HOST, PORT))])


@cases("POST", "HEAD", "DELETE")
def another_method_is_refused(method):
    with raw() as c:
        c.send(c.request(method=method))
        status = c.response(head=method == "HEAD")[0]
        assert status == 405, status


@case
def another_resource_is_not_found():
    with raw() as c:
        c.send(c.request(path="/v2/ws"))
        refused(c, 404)


@case
def http_1_0_cannot_upgrade():
    with raw() as c:
        c.send(c.request(version="HTTP/1.0"))
        refused(c, 400)


@cases(b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\x00" * 100,
       b"GET /v1/ws HTTP/1.1\r\nHost x\r\n\r\n",
       b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
       b"Content-Length: 2\r\n\r\n",
       b"GET /v1/ws HTTP/1.1\r\nHost: x\r\n folded\x01: y\r\n\r\n")
def garbage_is_a_bad_request(data):
    with raw() as c:
        c.send(data)
        refused(c, 400)
        c.eof()


@case
def too_large_headers_are_refused():
    with raw() as c:
        c.send(c.request(headers=[("X-Large", "x" * 9000)]))
        refused(c, 431)


@case
def too_many_headers_are_refused():
    with raw() as c:
        c.send(c.request(headers=[("X-%d" % i, "x") for i in range(80)]))
        refused(c, 431)


@cases(("Content-Length", "5"), ("Transfer-Encoding", "chunked"))
def a_body_is_refused(header):
    with raw() as c:
        c.send(c.request(headers=[header]))
        refused(c, 413)


@case
def plain_requests_share_a_connection():
    with raw() as c:
        for _ in range(3):
            status, headers, body = c.get("/healthz")
            assert status == 200 and body == b"ok\n"
            assert "connection" not in headers
        assert c.get("/healthz", method="HEAD")[0] == 200
        assert c.get("/nothing")[0] == 404
        assert c.get("/healthz", method="POST")[0] == 405
        assert c.get("/readyz")[0] == 200
        c.upgrade()
        answered(c)


@case
def pipelined_requests_are_answered_in_order():
    with raw() as c:
        one = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
        c.send(one % b"healthz" + one % b"nothing" + one % b"readyz")
        assert [c.response()[0] for _ in range(3)] == [200, 404, 200]


# ---- frames, section 5

@case
def an_unmasked_frame_is_an_error():
    fails(text({"op": "ping", "id": 1}, mask=False), 1002)


@cases(1, 2, 4)
def reserved_bits_are_an_error(rsv):
    fails(text({"op": "ping", "id": 1}, rsv=rsv), 1002)


@cases(3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
def an_unknown_opcode_is_an_error(op):
    fails(frame(op), 1002)


@case
def binary_is_not_supported():
    fails(frame(BINARY, b"\x00\x01"), 1003)


@cases(0, 1, 125)
def a_ping_is_answered_by_the_same(n):
    with ws() as c:
        payload = bytes(range(n))
        c.send(frame(PING, payload))
        assert c.read() == (PONG, payload)


@case
def a_ping_is_answered_at_once_although_split():
    with ws() as c:
        c.drip(frame(PING, b"hello"))
        assert c.read() == (PONG, b"hello")


@cases(PING, PONG, CLOSE)
def a_long_control_frame_is_an_error(op):
    fails(frame(op, b"x" * 126), 1002)


@cases(PING, PONG, CLOSE)
def a_fragmented_control_frame_is_an_error(op):
    fails(frame(op, b"", fin=False), 1002)


@case
def a_pong_out_of_the_blue_is_ignored():
    with ws() as c:
        c.send(frame(PONG, b"hi"))
        answered(c)


@case
def a_message_may_be_fragmented():
    with ws() as c:
        c.send(frame(TEXT, b'{"op":"ping"', fin=False) +
               frame(0, b',"id"', fin=False) + frame(0, b":5}"))
        assert c.message()["id"] == 5


@case
def a_message_may_be_fragmented_into_bytes():
    with ws() as c:
        whole = b'{"op":"ping","id":5}'
        c.send(b"".join(frame(TEXT if i == 0 else 0, whole[i:i + 1],
                              fin=i == len(whole) - 1)
                        for i in range(len(whole))))
        assert c.message()["id"] == 5


@case
def fragments_may_be_empty():
    with ws() as c:
        c.send(frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) +
               frame(0, b'{"op":"ping","id":5}', fin=False) + frame(0, b""))
        assert c.message()["id"] == 5


@case
def control_frames_may_come_between_fragments():
    with ws() as c:
        c.send(frame(TEXT, b'{"op":"ping"', fin=False) + frame(PING, b"a") +
               frame(0, b',"id":5}', fin=False) + frame(PONG) + frame(0))
        assert c.read() == (PONG, b"a")
        assert c.message()["id"] == 5


@case
def a_continuation_of_nothing_is_an_error():
    fails(frame(0, b"x"), 1002)


@case
def a_continuation_after_a_whole_message_is_an_error():
    fails(text({"op": "ping", "id": 1}) + frame(0, b"x"), 1002)


@case
def a_message_within_a_message_is_an_error():
    fails(frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002)


@case
def a_frame_may_come_byte_by_byte():
    with ws() as c:
        c.drip(text({"op": "ping", "id": 5}))
        assert c.message()["id"] == 5


@case
def many_frames_may_come_together():
    with member() as c:
        c.send(b"".join(text({"op": "ping", "id": i})
                        for i in range(1, 101)))
        for i in range(1, 101):
            assert c.message()["id"] == i


@cases((125, 7), (126, 16), (127, 16), (65535, 16), (65536, 64),
       (100000, 64))
def every_form_of_length_is_read(arg):
    n, form = arg
    with member() as c:
        head = b'{"op":"ping","id":5'
        c.send(text(head + b" " * (n - len(head) - 1) + b"}", form=form))
        assert c.message()["id"] == 5


@case
def a_frame_may_be_cut_anywhere():
    with member() as c:
        head = b'{"op":"ping","id":5'
        data = text(head + b" " * 200 + b"}")
        for cut in range(1, 12):
            c.send(data[:cut])
            c.send(data[cut:])
            assert c.message()["id"] == 5


@cases((0, 16), (125, 16), (0, 64), (126, 64), (65535, 64))
def a_length_must_be_in_its_shortest_form(arg):
    n, form = arg
    fails(frame(TEXT, b"x" * n, form=form), 1002)


@case
def a_length_has_63_bits():
    fails(frame(TEXT, b"", form=64, length=1 << 63), 1002)


@cases(1 << 30, (1 << 63) - 1, MAX_MESSAGE + 1)
def a_large_frame_is_refused_by_its_header(n):
    fails(frame(TEXT, b"", form=64, length=n), 1009, member)


@case
def a_large_frame_is_refused_when_its_header_is_split():
    with member() as c:
        c.drip(frame(TEXT, b"", form=64, length=1 << 30))
        assert c.closing() == 1009


@case
def a_message_at_the_limit_is_read():
    with member() as c:
        head = b'{"op":"ping","id":5'
        c.send(text(head + b" " * (MAX_MESSAGE - len(head) - 1) + b"}"))
        assert c.message()["id"] == 5


@case
def fragments_together_are_limited():
    with member() as c:
        part = b"x" * 60000
        c.send(frame(TEXT, part, fin=False) + frame(0, part, fin=False) +
               frame(0, b"", form=16, length=20000))
        assert c.closing() == 1009


@case
def a_stranger_may_send_little_only():
    fails(frame(TEXT, b"", form=16, length=10000), 1009)


# ---- text, section 8.1

def ping_named(name):
    return b'{"op":"' + name + b'","id":5}'


@cases("\u00e9", "\u20ac", "\U0001f600", "\uffff", "\U0010ffff", "\u0000a")
def text_in_utf_8_is_read(name):
    with ws() as c:
        c.send(text(ping_named(name.encode())))
        assert "error" in c.message()


@case
def a_character_may_be_split_by_a_fragment():
    with ws() as c:
        whole = ping_named("\U0001f600".encode())
        for i in range(7, 12):
            c.send(frame(TEXT, whole[:i], fin=False) + frame(0, whole[i:]))
            assert c.message()["error"]["code"] == "unknown-op"


@cases(b"\x80", b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80",
       b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82", b"\xc3")
def other_text_is_an_error(data):
    fails(text(ping_named(data)), 1007)


@case
def text_that_ends_in_a_character_is_an_error():
    fails(text(b'{"op":"ping","id":1}\xe2\x82'), 1007)


@case
def a_bad_later_fragment_is_an_error():
    fails(frame(TEXT, b"good", fin=False) + frame(0, b"\xff"), 1007)


# ---- closing, section 7

@case
def an_empty_close_is_answered_by_one():
    with ws() as c:
        c.send(frame(CLOSE))
        assert c.read() == (CLOSE, b"")
        c.eof()


@cases(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014,
       3000, 3999, 4000, 4999)
def an_allowed_close_code_comes_back(code):
    with ws() as c:
        c.send(frame(CLOSE, struct.pack("!H", code) + b"bye"))
        assert c.closing() == code
        c.eof()


@cases(0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
def another_close_code_is_an_error(code):
    fails(frame(CLOSE, struct.pack("!H", code)), 1002)


@case
def half_a_close_code_is_an_error():
    fails(frame(CLOSE, b"\x03"), 1002)


@case
def a_long_reason_is_allowed():
    with ws() as c:
        c.send(frame(CLOSE, struct.pack("!H", 1000) + b"x" * 123))
        assert c.closing() == 1000


@case
def a_reason_must_be_utf_8():
    fails(frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007)


@case
def after_a_close_nothing_counts():
    with ws() as c:
        c.send(frame(CLOSE, struct.pack("!H", 1000)) +
               text({"op": "ping", "id": 1}) + frame(PING, b"x"))
        assert c.read() == (CLOSE, struct.pack("!H", 1000))
        c.eof()


@case
def a_close_may_come_between_fragments():
    with ws() as c:
        c.send(frame(TEXT, b"x", fin=False) +
               frame(CLOSE, struct.pack("!H", 1000)))
        assert c.closing() == 1000


# ---- requests

@case
def a_stranger_must_log_in_first():
    with ws() as c:
        m = c.ask(op="history", id=9, to="bob")
        assert m == {"id": 9, "error": {"code": "unauthenticated",
                                        "text": "log in first"}}, m


@cases("{}", "[]", "nope", '{"op":"ping","id":9', '{"op":"ping","id":0}',
       '{"op":"ping","id":9,"id":9}', '{"op":"ping","id":9,"x":1}',
       '{"op":"status","id":9}', '{"op":"send","id":9,"to":5}')
def a_bad_request_is_answered(request):
    with ws() as c:
        c.send(text(request))
        m = c.message()
        assert m["error"]["code"] in ("malformed", "invalid", "unknown-op")
        assert m.get("id") in (None, 9), m
        answered(c)


@case
def what_is_no_json_again_and_again_closes():
    with ws() as c:
        for _ in range(20):
            c.send(text("{"))
        assert c.closing() == 1008


def against(host, port, token):
    """Runs all cases; the number of those that failed."""
    global HOST, PORT, TOKEN
    HOST, PORT, TOKEN = host, port, token
    failed = 0
    for name, f in CASES:
        try:
            f()
        except (AssertionError, Closed, OSError, ValueError, KeyError) as e:
            failed += 1
            print("FAIL %s: %r" % (name, e))
            traceback.print_exc()
    print("websocket: %d cases, %d failed" % (len(CASES), failed), flush=True)
    return failed


async def against_kithd():
    from kith import running
    async with running() as node:
        token = node.accounts("alice")["alice"]
        return await asyncio.to_thread(against, "127.0.0.1", node.port, token)


def main():
    if len(sys.argv) == 4:
        failed = against(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        failed = asyncio.run(against_kithd())
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
