#!/usr/bin/python3
"""Promise 4: each operation without a token, with a bad one, with somebody
else's, as a stranger to the room, muted, banned, blocked."""

import asyncio
import re
import os

from kith import Client, Refused, check, run, running, until

ALICE, BOB = "alice@example.org", "bob@example.org"
HERE = os.path.dirname(os.path.abspath(__file__))

# A request that would be acceptable, for each operation of people.
REQUESTS = {
    "feed": {}, "logout": {}, "devices": {}, "blocks": {}, "ping": {},
    "passwd": {"password": "x", "new": "yyyyyyyy"},
    "recovery": {"password": "x", "key": "00" * 32},
    "revoke": {"device": 9},
    "profile": {"display": "A"},
    "deactivate": {"password": "x"},
    "block": {"account": BOB}, "unblock": {"account": BOB},
    "send": {"to": BOB, "stream": 1, "number": 1, "text": "x"},
    "edit": {"to": BOB, "stream": 1, "number": 1, "text": "x",
             "event": "0" * 26},
    "redact": {"to": BOB, "stream": 1, "number": 1, "event": "0" * 26},
    "react": {"to": BOB, "stream": 1, "number": 1, "event": "0" * 26,
              "emoji": "\U0001f44d"},
    "stream": {"stream": 1},
    "read": {"to": BOB, "seq": 1},
    "history": {"to": BOB}, "conversations": {}, "rooms": {},
    "create": {"room": "#new"}, "join": {"room": "#r"},
    "leave": {"room": "#r"},
    "invite": {"room": "#r", "account": BOB},
    "kick": {"room": "#r", "account": BOB},
    "ban": {"room": "#r", "account": BOB},
    "unban": {"room": "#r", "account": BOB},
    "mute": {"room": "#r", "account": BOB},
    "unmute": {"room": "#r", "account": BOB},
    "role": {"room": "#r", "account": BOB, "role": "owner"},
    "topic": {"room": "#r", "topic": "x"},
    "configure": {"room": "#r", "access": "public"},
    "members": {"room": "#r"}, "close": {"room": "#r"},
    "typing": {"to": BOB, "on": True},
    "presence": {"status": "online"},
    "watch": {"account": BOB},
}
OPEN = {"resume", "login", "register", "recover"}
SILENT = {"ack", "direct"}

# What needs membership, and with what a stranger to the room is refused.
ROOM_REQUESTS = [
    ("send", {"to": "#r", "stream": 5, "number": 1, "text": "x"}),
    ("edit", {"to": "#r", "stream": 5, "number": 1, "text": "x",
              "event": "0" * 26}),
    ("redact", {"to": "#r", "stream": 5, "number": 1, "event": "0" * 26}),
    ("react", {"to": "#r", "stream": 5, "number": 1, "event": "0" * 26,
               "emoji": "\U0001f44d"}),
    ("read", {"to": "#r", "seq": 1}),
    ("history", {"to": "#r"}),
    ("leave", {"room": "#r"}),
    ("invite", {"room": "#r", "account": "carol"}),
    ("kick", {"room": "#r", "account": "alice"}),
    ("ban", {"room": "#r", "account": "alice"}),
    ("unban", {"room": "#r", "account": "alice"}),
    ("mute", {"room": "#r", "account": "alice"}),
    ("unmute", {"room": "#r", "account": "alice"}),
    ("role", {"room": "#r", "account": "bob", "role": "owner"}),
    ("topic", {"room": "#r", "topic": "x"}),
    ("configure", {"room": "#r", "access": "public"}),
    ("members", {"room": "#r"}),
    ("close", {"room": "#r"}),
    ("typing", {"to": "#r", "on": True}),
]


def operations():
    """The names in the table of proto/op.h, but those of kithctl."""
    with open(os.path.join(HERE, "../../proto/op.h"), encoding="utf-8") as f:
        text = f.read()
    rows = re.findall(r'X\(OP_(\w+), "([a-z-]+)"', text)
    return [name for constant, name in rows if not constant.startswith("CTL")]


async def the_table_is_covered():
    missing = set(operations()) - set(REQUESTS) - OPEN - SILENT
    check(not missing, f"no case for {missing}")


async def nothing_without_a_token():
    async with running() as node:
        node.accounts("alice", "bob")
        for name, args in REQUESTS.items():
            stranger = Client(node)
            await stranger.connect()
            await stranger.refused("unauthenticated", name, **args)
            await stranger.close()


async def bad_tokens_are_refused():
    async with running() as node:
        tokens = node.accounts("alice", "bob")
        alice = Client(node, tokens["alice"])
        await alice.connect()
        await alice.op("logout")
        for token in (tokens["alice"], "kd_" + "A" * 43, "", "x" * 100,
                      tokens["bob"][:-1], tokens["bob"] + "A"):
            c = Client(node)
            await c.connect()
            try:
                await c.op("resume", token=token)
                raise AssertionError(f"resumed with {token!r}")
            except Refused as e:
                check(e.code in ("bad-credentials", "invalid"), f"{e}")
            await c.close()


async def control_operations_are_not_for_clients():
    async with running() as node:
        tokens = node.accounts("alice", operator=True)
        alice = Client(node, tokens["alice"])
        await alice.connect()
        for name in ("account-add", "status", "stop", "queue", "sessions"):
            await alice.refused("unknown-op", name)


async def strangers_to_a_room_reach_nothing():
    async with running() as node:
        tokens = node.accounts("alice", "bob", "carol")
        alice = Client(node, tokens["alice"])
        bob = Client(node, tokens["bob"])
        await alice.connect()
        await bob.connect()
        await alice.op("create", room="#r", access="private")
        await alice.send("#r", "secret")
        for name, args in ROOM_REQUESTS:
            await bob.refused("not-member", name, **args)
        await bob.refused("not-found", "join", room="#r")
        listed = await bob.op("rooms")
        check(listed["rooms"] == [], f"a private room is listed: {listed}")
        check(bob.texts("#r@example.org") == [], "nothing was pushed")


async def muted_banned_and_kicked():
    async with running() as node:
        tokens = node.accounts("alice", "bob")
        alice = Client(node, tokens["alice"])
        bob = Client(node, tokens["bob"])
        await alice.connect()
        await bob.connect()
        await alice.op("create", room="#r")
        await bob.op("join", room="#r")
        ok = await bob.send("#r", "one")
        await alice.op("mute", room="#r", account="bob")
        await bob.refused("muted", "send", to="#r", stream=1, number=2,
                          text="two")
        await bob.refused("muted", "react", to="#r", stream=1, number=2,
                          event=ok["event"], emoji="\U0001f44d")
        await bob.op("leave", room="#r")
        await bob.op("join", room="#r")
        await bob.refused("muted", "send", to="#r", stream=1, number=2,
                          text="two")
        await alice.op("unmute", room="#r", account="bob")
        await bob.send("#r", "two", number=2)
        for name, args in ROOM_REQUESTS:
            if name in ("kick", "ban", "unban", "mute", "unmute", "role",
                        "topic", "configure", "close"):
                await bob.refused("forbidden", name, **args)
        await alice.op("kick", room="#r", account="bob", reason="out")
        await bob.refused("not-member", "history", to="#r")
        await alice.send("#r", "not for bob")
        await bob.op("join", room="#r")
        check("not for bob" not in bob.texts(), "nothing after the kick")
        await alice.op("ban", room="#r", account="bob")
        await bob.refused("banned", "join", room="#r")
        await bob.refused("banned", "send", to="#r", stream=1, number=3,
                          text="x")
        await bob.refused("banned", "history", to="#r")
        await alice.op("unban", room="#r", account="bob")
        await bob.op("join", room="#r")
        await alice.refused("forbidden", "leave", room="#r")
        await alice.op("role", room="#r", account="bob", role="owner")
        await alice.op("leave", room="#r")
        await bob.op("close", room="#r")
        await bob.refused("not-found", "send", to="#r", stream=1, number=3,
                          text="x")


async def blocked_means_nothing_arrives():
    async with running() as node:
        tokens = node.accounts("alice", "bob")
        alice = Client(node, tokens["alice"])
        bob = Client(node, tokens["bob"])
        await alice.connect()
        await bob.connect()
        await bob.op("block", account="alice")
        await alice.refused("blocked", "send", to=BOB, stream=1, number=1,
                            text="x")
        await alice.refused("blocked", "typing", to=BOB, on=True)
        await alice.refused("blocked", "watch", account=BOB)
        check((await bob.op("blocks"))["accounts"] == [ALICE], "the list")
        await bob.op("unblock", account="alice")
        await alice.send(BOB, "hello")
        await until(lambda: bob.texts() == ["hello"], "it arrives")


async def history_since_joining():
    async with running() as node:
        tokens = node.accounts("alice", "bob")
        alice = Client(node, tokens["alice"])
        bob = Client(node, tokens["bob"])
        await alice.connect()
        await bob.connect()
        await alice.op("create", room="#r", history="joined")
        await alice.send("#r", "before")
        await bob.op("join", room="#r")
        await alice.send("#r", "after")
        page = await bob.op("history", to="#r")
        texts = [e.get("text") for e in page["events"]]
        check("before" not in texts and "after" in texts, f"{texts}")
        page = await bob.op("history", to="#r", after=0)
        check("before" not in [e.get("text") for e in page["events"]],
              "nor forwards")


async def disabled_accounts_are_out_at_once():
    async with running() as node:
        tokens = node.accounts("alice", "bob")
        alice = Client(node, tokens["alice"])
        await alice.connect()
        with node.control() as ctl:
            ctl.op("account-disable", account="alice")
        await asyncio.wait_for(alice.closed.wait(), 10)
        again = Client(node, tokens["alice"])
        try:
            await again.connect()
            raise AssertionError("a disabled account resumes")
        except Refused as e:
            check(e.code == "bad-credentials", f"{e}")
        bob = Client(node, tokens["bob"])
        await bob.connect()
        with node.control() as ctl:
            ctl.op("server-ban", pattern="bo*")
        await asyncio.wait_for(bob.closed.wait(), 10)
        again = Client(node, tokens["bob"])
        try:
            await again.connect()
            raise AssertionError("a banned account resumes")
        except Refused as e:
            check(e.code == "banned", f"{e}")


run(
    the_table_is_covered,
    nothing_without_a_token,
    bad_tokens_are_refused,
    control_operations_are_not_for_clients,
    strangers_to_a_room_reach_nothing,
    muted_banned_and_kicked,
    blocked_means_nothing_arrives,
    history_since_joining,
    disabled_accounts_are_out_at_once,
)
