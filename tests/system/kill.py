#!/usr/bin/python3
"""Promises 1 and 2: kill -9 at random instants under load.  Everything
acknowledged is there once and in order, on every device.

KILL_ROUNDS=200 for the campaign; SEED= to repeat the instants.
"""

import asyncio
import os
import random
import time

from kith import Client, check, run, running, until

ROUNDS = int(os.environ.get("KILL_ROUNDS", "20"))
SEED = int(os.environ.get("SEED", str(int(time.time()))))
PAIRS, WINDOW = 4, 8
ROOM = "#load"


class Sender:
    """Sends numbered texts, up to WINDOW unanswered, and repeats what was
    not answered under the same numbers after each reconnect."""

    def __init__(self, node, token, to, name):
        self.client = Client(node, token)
        self.to, self.name = to, name
        self.acked = 0
        self.stop = False

    def text(self, number):
        return f"{self.name} {number}"

    async def batch(self):
        futures = [
            await self.client.request(
                "send", to=self.to, stream=1, number=n, text=self.text(n))
            for n in range(self.acked + 1, self.acked + 1 + WINDOW)
        ]
        for n, future in enumerate(futures, self.acked + 1):
            answer = await asyncio.wait_for(future, 30)
            check("error" not in answer, f"send {n}: {answer}")
            self.acked = n

    async def run(self):
        while not self.stop:
            try:
                if self.client.ws is None or self.client.closed.is_set():
                    await self.client.connect(live=False)
                await self.batch()
            except (ConnectionError, OSError, asyncio.TimeoutError,
                    EOFError) as e:
                del e
                await asyncio.sleep(0.02)
            except Exception as e:
                if type(e).__module__.startswith("websockets"):
                    await asyncio.sleep(0.02)
                    continue
                raise


async def reader(client, stop):
    while not stop.is_set():
        try:
            await client.connect()
            await client.closed.wait()
        except (OSError, ConnectionError):
            await asyncio.sleep(0.02)
        except Exception as e:
            if not type(e).__module__.startswith("websockets"):
                raise
            await asyncio.sleep(0.02)


def in_order(client, sender, log):
    got = [t for t in client.texts(log) if t.startswith(sender.name + " ")]
    want = [sender.text(n) for n in range(1, len(got) + 1)]
    check(got == want, f"{client.account}: {sender.name} is not in order, "
          f"once each: {got[:3]}... of {len(got)}")
    return len(got)


async def killed_under_load_nothing_is_lost():
    rng = random.Random(SEED)
    print(f"SEED={SEED} rounds={ROUNDS}", flush=True)
    async with running() as node:
        names = [f"s{i}" for i in range(PAIRS)] + \
                [f"r{i}" for i in range(PAIRS)]
        tokens = node.accounts(*names)
        owner = Client(node, tokens["s0"])
        await owner.connect(live=False)
        await owner.op("create", room=ROOM)
        readers = []
        for i in range(PAIRS):
            with node.control() as ctl:
                second = ctl.op("account-token", account=f"r{i}", name="two")
            for token in (tokens[f"r{i}"], second["token"]):
                readers.append((f"r{i}", Client(node, token)))
        for name, client in readers[::2]:
            joiner = Client(node, client.token)
            await joiner.connect(live=False)
            await joiner.op("join", room=ROOM)
            await joiner.close()
        for i in range(1, PAIRS):
            joiner = Client(node, tokens[f"s{i}"])
            await joiner.connect(live=False)
            await joiner.op("join", room=ROOM)
            await joiner.close()
        await owner.close()
        senders = []
        for i in range(PAIRS):
            to = ROOM if i % 2 else f"r{i}@example.org"
            senders.append(Sender(node, tokens[f"s{i}"], to, f"s{i}"))
        stop = asyncio.Event()
        tasks = [asyncio.create_task(s.run()) for s in senders]
        tasks += [asyncio.create_task(reader(c, stop)) for _, c in readers]
        for _ in range(ROUNDS):
            await asyncio.sleep(rng.uniform(0.02, 0.4))
            node.kill()
            await node.start()
        for s in senders:
            s.stop = True
        await asyncio.gather(*tasks[:PAIRS])
        total = 0
        for i, s in enumerate(senders):
            total += s.acked
            for name, client in readers:
                log = f"{ROOM}@example.org" if i % 2 else \
                    f"{name}@example.org"
                if i % 2 == 0 and name != f"r{i}":
                    continue
                await until(lambda c=client, l=log, s=s:
                            in_order(c, s, l) >= s.acked,
                            f"{name} has all {s.acked} of {s.name}", 60)
        stop.set()
        for task in tasks[PAIRS:]:
            task.cancel()
        await asyncio.gather(*tasks[PAIRS:], return_exceptions=True)
        check(total > ROUNDS * 10, f"there was load: {total}")
        print(f"{ROUNDS} kills, {total} acknowledged, none lost, none twice",
              flush=True)


run(killed_under_load_nothing_is_lost)
