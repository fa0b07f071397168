#!/usr/bin/python3
"""Promise 3: order per sender and one order per room, with 8 concurrent
senders and 200 members; refusals in the middle of a window keep the order."""

import asyncio

from kith import Client, check, run, running, until

ROOM = "#big"
LOG = "#big@example.org"
SENDERS, MEMBERS, EACH, WINDOW = 8, 200, 40, 16


async def window_sender(client, name, to, count):
    """Keeps WINDOW sends unanswered.  What is refused is renumbered: the
    first refusal of a window ends it and sending goes on from there."""
    texts = [f"{name} {i}" for i in range(count)]
    stream, number, at, refusals = 7, 1, 0, 0
    while at < count:
        futures = [
            await client.request("send", to=to, stream=stream,
                                 number=number + i, text=texts[at + i])
            for i in range(min(WINDOW, count - at))
        ]
        answers = await asyncio.gather(*futures)
        taken = 0
        for i, answer in enumerate(answers):
            if "ok" in answer:
                check(taken == i, f"{name}: {i} taken after a refusal")
                taken += 1
            else:
                refusals += 1
                check(answer["error"]["code"] in
                      ("muted", "out-of-order"), f"{answer}")
        at += taken
        number += taken
        if taken < len(answers):
            await asyncio.sleep(0)
    return refusals


async def one_order_for_two_hundred_members():
    async with running() as node:
        names = [f"u{i}" for i in range(MEMBERS)]
        tokens = node.accounts(*names)
        clients = [Client(node, tokens[n]) for n in names]
        for c in clients:
            await c.connect()
        await clients[0].op("create", room=ROOM)
        await asyncio.gather(
            *(c.op("join", room=ROOM) for c in clients[1:]))
        await asyncio.gather(*(
            window_sender(c, f"s{i}", ROOM, EACH)
            for i, c in enumerate(clients[1:1 + SENDERS])))
        total = SENDERS * EACH
        for c in clients:
            await until(lambda c=c: len(c.texts(LOG)) == total,
                        f"{c.account} has {total}", 60)
        first = clients[0].texts(LOG)
        for c in clients[1:]:
            check(c.texts(LOG) == first, f"{c.account}: another order")
        for i in range(SENDERS):
            own = [t for t in first if t.startswith(f"s{i} ")]
            check(own == [f"s{i} {k}" for k in range(EACH)],
                  f"s{i}: not in the order of sending")


async def refusals_in_a_window_keep_the_order():
    async with running() as node:
        tokens = node.accounts("owner", "bob", "reader")
        owner = Client(node, tokens["owner"])
        bob = Client(node, tokens["bob"])
        reader = Client(node, tokens["reader"])
        for c in (owner, bob, reader):
            await c.connect()
        await owner.op("create", room=ROOM)
        await bob.op("join", room=ROOM)
        await reader.op("join", room=ROOM)
        done = asyncio.Event()

        async def moderate():
            while not done.is_set():
                await owner.op("mute", room=ROOM, account="bob")
                await owner.op("unmute", room=ROOM, account="bob")
                await asyncio.sleep(0.001)

        task = asyncio.create_task(moderate())
        refusals = await window_sender(bob, "b", ROOM, 600)
        done.set()
        await task
        await until(lambda: len(reader.texts(LOG)) == 600, "all arrive", 60)
        check(reader.texts(LOG) == [f"b {k}" for k in range(600)],
              "the order of sending")
        check(refusals > 0, "there were refusals")
        print(f"{refusals} refusals in windows of {WINDOW}", flush=True)


run(one_order_for_two_hundred_members, refusals_in_a_window_keep_the_order)
