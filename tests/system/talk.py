#!/usr/bin/python3
"""People talk: direct messages, rooms, edits, markers, devices, history."""

import asyncio

from kith import Client, Refused, check, run, running, until

ALICE, BOB = "alice@example.org", "bob@example.org"


async def logged_in(node, *names, **resume):
    tokens = node.accounts(*names)
    clients = [Client(node, tokens[n]) for n in names]
    for c in clients:
        await c.connect(**resume)
    return clients


async def direct_message_reaches_all_devices():
    async with running() as node:
        alice, bob = await logged_in(node, "alice", "bob")
        with node.control() as ctl:
            token = ctl.op("account-token", account="bob", name="phone")
        phone = Client(node, token["token"])
        await phone.connect()
        ok = await alice.send(BOB, "hello \U0001f600 \"quoted\" \\ \n line")
        check(ok["durable"] == "home", f"acknowledged {ok}")
        for device in (bob, phone):
            await until(lambda d=device: d.texts(), "the message arrives")
            event = device.events[-1]
            check(event["text"].endswith(" line"), f"text {event}")
            check(event["from"] == ALICE and event["to"] == BOB, f"{event}")
            check(event["event"] == ok["event"], "the same event")
        await until(lambda: alice.texts(), "own message is in the mailbox")


async def repeated_numbers_change_nothing():
    async with running() as node:
        alice, bob = await logged_in(node, "alice", "bob")
        first = [await alice.send(BOB, f"m{i}", number=i + 1)
                 for i in range(70)]
        again = await alice.send(BOB, "m69", number=70)
        check(again["event"] == first[69]["event"], "the first answer")
        check(again["pos"] == first[69]["pos"], "the first position")
        again = await alice.send(BOB, "m10", number=11)
        check(again["event"] == first[10]["event"], "an older one")
        await alice.refused("number-reused", "send", to=BOB, stream=1,
                            number=70, text="other")
        await alice.refused("out-of-order", "send", to=BOB, stream=1,
                            number=72, text="x")
        await alice.refused("too-old", "send", to=BOB, stream=1, number=2,
                            text="m1")
        await until(lambda: len(bob.texts()) == 70, "70 messages, once each")
        stream = await alice.op("stream", stream=1)
        check(stream["number"] == 70, f"{stream}")


async def rooms_have_one_order():
    async with running() as node:
        people = await logged_in(node, "alice", "bob", "carol")
        alice, bob, carol = people
        await alice.op("create", room="#lounge", topic="chat")
        await bob.op("join", room="#lounge")
        await carol.op("join", room="#lounge")

        async def talk(c, name):
            for i in range(50):
                await c.send("#lounge", f"{name}{i}")

        await asyncio.gather(*(talk(c, n) for c, n in zip(people, "abc")))
        log = "#lounge@example.org"
        for c in people:
            await until(lambda c=c: len(c.texts(log)) == 150, "all arrive")
        check(alice.texts(log) == bob.texts(log) == carol.texts(log),
              "one order")
        for name in "abc":
            own = [t for t in bob.texts(log) if t[0] == name]
            check(own == [f"{name}{i}" for i in range(50)], "sender's order")
        members = await bob.op("members", room="#lounge")
        check(members["joined"] == 3, f"{members}")
        listed = await carol.op("rooms", search="loung")
        check(listed["rooms"][0]["members"] == 3, f"{listed}")


async def edits_reactions_and_redactions():
    async with running() as node:
        alice, bob = await logged_in(node, "alice", "bob")
        ok = await alice.send(BOB, "frist")
        await alice.op("edit", to=BOB, stream=1, number=2, event=ok["event"],
                       text="first")
        await bob.op("react", to=ALICE, stream=1, number=1,
                     event=ok["event"], emoji="\U0001f44d")
        await bob.refused("forbidden", "edit", to=ALICE, stream=1, number=2,
                          event=ok["event"], text="mine")
        await bob.refused("forbidden", "redact", to=ALICE, stream=1,
                          number=2, event=ok["event"])
        await alice.op("redact", to=BOB, stream=1, number=3,
                       event=ok["event"])
        await until(lambda: [e["kind"] for e in bob.events][-4:] ==
                    ["message", "edit", "react", "redact"], "all four come")
        page = await bob.op("history", to=ALICE)
        erased = [e for e in page["events"] if e["event"] == ok["event"]]
        check(erased[0].get("erased") and "text" not in erased[0],
              f"the text is gone: {erased}")


async def history_pages_both_ways():
    async with running() as node:
        alice, bob = await logged_in(node, "alice", "bob")
        for i in range(120):
            await alice.send(BOB, f"m{i}")
        texts, before = [], None
        while True:
            args = {"before": before} if before else {}
            page = await bob.op("history", to=ALICE, limit=50, **args)
            texts = [e["text"] for e in page["events"]] + texts
            if not page["more"]:
                break
            before = page["events"][0]["pos"][1]
        check(texts == [f"m{i}" for i in range(120)], "backwards")
        texts, after = [], 0
        while True:
            page = await bob.op("history", to=ALICE, limit=7, after=after)
            texts += [e["text"] for e in page["events"]]
            if not page["more"]:
                break
            after = page["events"][-1]["pos"][1]
        check(texts == [f"m{i}" for i in range(120)], "forwards")


async def markers_are_the_same_on_all_devices():
    async with running() as node:
        alice, bob = await logged_in(node, "alice", "bob", states=True)
        with node.control() as ctl:
            token = ctl.op("account-token", account="bob", name="phone")
        phone = Client(node, token["token"])
        await phone.connect()
        for i in range(5):
            ok = await alice.send(BOB, f"m{i}")
        await until(lambda: len(phone.texts()) == 5, "five arrive")

        async def unread(c):
            listed = await c.op("conversations")
            return {v["with"]: v["unread"] for v in listed["conversations"]}

        check((await unread(phone))[ALICE] == 5, "five unread")
        third = [e for e in bob.events if e.get("text") == "m2"][0]
        await bob.op("read", to=ALICE, seq=third["pos"][1])
        check((await unread(phone))[ALICE] == 2, "two are left")
        last = [e for e in bob.events if e.get("text") == "m4"][0]
        await bob.op("read", to=ALICE, seq=last["pos"][1])
        check((await unread(bob))[ALICE] == 0, "none is left")
        await until(lambda: any(
            p["push"] == "state" and p["state"] == "read" and
            p["seq"] == ok["pos"][1] for p in alice.pushes),
            "alice learns that it was read")
        check(any(p["push"] == "state" and p["state"] == "device"
                  for p in alice.pushes), "and before that it had arrived")
        check((await unread(alice))[BOB] == 0, "own messages are not unread")


async def reconnecting_resumes_where_it_stopped():
    async with running() as node:
        alice, bob = await logged_in(node, "alice", "bob")
        for i in range(10):
            await alice.send(BOB, f"a{i}")
        await until(lambda: len(bob.texts()) == 10, "ten arrive")
        await bob.close()
        for i in range(10):
            await alice.send(BOB, f"b{i}")
        await bob.connect()
        await until(lambda: len(bob.texts()) == 20, "ten more arrive")
        check(bob.texts() == [f"a{i}" for i in range(10)] +
              [f"b{i}" for i in range(10)], "in order, once")


async def passwords_tokens_and_devices():
    async with running() as node:
        with node.control() as ctl:
            ctl.op("account-add", account="alice", password="secret word")
            invite = ctl.op("invite-add")["invite"]
        pc = Client(node)
        await pc.connect()
        await pc.refused("bad-credentials", "login", account="alice",
                         password="wrong", name="pc")
        await pc.refused("unauthenticated", "devices")
        ok = await pc.op("login", account="alice", password="secret word",
                         name="pc")
        phone = Client(node, ok["token"])
        await phone.connect()
        devices = (await phone.op("devices"))["devices"]
        check(len(devices) == 1 and devices[0]["current"], f"{devices}")
        await pc.op("passwd", password="secret word", new="another word")
        fresh = Client(node)
        await fresh.connect()
        await fresh.refused("bad-credentials", "login", account="alice",
                            password="secret word", name="x")
        await fresh.op("login", account="alice", password="another word",
                       name="x")
        await pc.op("revoke", device=2)
        await asyncio.wait_for(fresh.closed.wait(), 10)
        await pc.op("logout")
        await asyncio.wait_for(pc.closed.wait(), 10)
        late = Client(node, ok["token"])
        try:
            await late.connect()
            raise AssertionError("a revoked token works")
        except Refused as e:
            check(e.code == "bad-credentials", f"{e}")
        new = Client(node)
        await new.connect()
        await new.refused("registration-closed", "register", account="eve",
                          password="secret", name="pc")
        await new.op("register", account="Bob", password="secret", name="pc",
                     invite=invite)
        other = Client(node)
        await other.connect()
        await other.refused("registration-closed", "register",
                            account="carol", password="secret", name="pc",
                            invite=invite)


async def everything_survives_a_restart():
    async with running() as node:
        alice, bob = await logged_in(node, "alice", "bob")
        await alice.op("create", room="#r", topic="t", history="joined")
        await bob.op("join", room="#r")
        for i in range(20):
            await alice.send(BOB, f"m{i}")
        await alice.send("#r", "in the room", stream=2)
        await until(lambda: len(bob.texts()) == 21, "all arrive")
        await bob.close()
        await alice.close()
        check(node.stop() == 0, "SIGTERM ends with 0")
        await node.start()
        await alice.connect()
        await bob.connect()
        page = await bob.op("history", to=ALICE, limit=200)
        check([e["text"] for e in page["events"]] ==
              [f"m{i}" for i in range(20)], f"{page}")
        again = await alice.send(BOB, "m19", number=20)
        await alice.send(BOB, "after", number=21)
        await until(lambda: bob.texts()[-1] == "after", "it goes on")
        check(len(bob.texts()) == 22, f"nothing twice: {len(bob.texts())}")
        members = await bob.op("members", room="#r")
        check(members["joined"] == 2, f"{members}")


run(
    direct_message_reaches_all_devices,
    repeated_numbers_change_nothing,
    rooms_have_one_order,
    edits_reactions_and_redactions,
    history_pages_both_ways,
    markers_are_the_same_on_all_devices,
    reconnecting_resumes_where_it_stopped,
    passwords_tokens_and_devices,
    everything_survives_a_restart,
)
