#!/usr/bin/python3
"""Promises 1 and 2 when the disk fails: failing fdatasync, disk full,
read-only disk.  No false acknowledgement, `degraded' in /readyz, direct
delivery seen by the recipient, one alert, recovery by itself, nothing lost,
nothing shown twice."""

import os
import shutil
import subprocess
import tempfile

from kith import Client, Node, Refused, check, run, until

BOB = "bob@example.org"
FAULT = os.environ.get("KITH_FAULT_LIB",
                       os.path.join(os.path.abspath(
                           os.environ.get("KITH_BUILD", "build")),
                           "tests/system/fault.so"))


async def people(node):
    tokens = node.accounts("alice", "bob")
    tokens.update(node.accounts("op", operator=True))
    clients = []
    for name in ("alice", "bob", "op"):
        c = Client(node, tokens[name])
        await c.connect()
        clients.append(c)
    return clients


def shown(client):
    """What a person sees: direct and stored ones, a repeat only once."""
    seen, texts = set(), []
    for m in sorted(client.direct + client.events,
                    key=lambda m: m.get("pos") is not None):
        if m["kind"] != "message":
            continue
        key = (m["from"], m["send"])
        if key not in seen:
            seen.add(key)
            texts.append(m["text"])
    return texts


async def send_until_refused(alice, number):
    """Numbered sends until one is not stored; how many were.  What is
    answered is durable, direct or refused, never anything else."""
    while True:
        text = f"m{number}" + " " * 2000
        try:
            ok = await alice.op("send", to=BOB, stream=1, number=number,
                                text=text)
        except Refused as e:
            check(e.code in ("queue-unavailable", "queue-full"), f"{e}")
            return number - 1
        if "durable" not in ok:
            check(ok["direct"] == 1, f"{ok}")
            return number - 1
        check(number < 30000, "the disk fails at last")
        number += 1


async def fails_and_recovers(node, break_it, mend_it, whys):
    """The common story, whatever breaks."""
    alice, bob, op = await people(node)
    await alice.op("create", room="#r")
    await bob.op("join", room="#r")
    for n in range(1, 11):
        await alice.send(BOB, f"m{n}", number=n)
    await until(lambda: len(bob.texts()) == 10, "ten before")
    break_it()
    stored = await send_until_refused(alice, 11)
    await until(lambda: node.http("/readyz")[0] == 503, "/readyz says no")
    _, text = node.http("/readyz")
    check(any(why in text for why in whys), f"/readyz says why: {text!r}")
    check(node.http("/healthz")[0] == 200, "the process is alive")
    last = stored + 5
    for n in range(stored + 1, last + 1):
        ok = await alice.op("send", to=BOB, stream=1, number=n, text=f"d{n}")
        check(ok.get("direct") == 1 and "durable" not in ok, f"direct: {ok}")
        check(f"d{n}" in [d["text"] for d in bob.direct], "bob sees it now")
    await alice.refused("queue-unavailable", "send", to="#r", stream=2,
                        number=1, text="room")
    await until(lambda: any(p["push"] == "queue" and
                            p["state"] == "degraded" for p in alice.pushes),
                "clients are told")

    mend_it()
    await until(lambda: any(p["push"] == "queue" and p["state"] == "ok"
                            for p in alice.pushes), "it recovers by itself",
                30)
    for n in range(stored + 1, last + 1):
        ok = await alice.op("send", to=BOB, stream=1, number=n, text=f"d{n}")
        check(ok.get("durable") == "home", f"stored now: {ok}")
    await alice.send("#r", "room", stream=2, number=1)
    await until(lambda: node.http("/readyz")[0] == 200, "/readyz says yes")
    want = [f"m{n}" for n in range(1, stored + 1)] + \
        [f"d{n}" for n in range(stored + 1, last + 1)]
    await until(lambda: len(bob.texts(BOB)) == len(want),
                f"all arrive: {len(bob.texts(BOB))} of {len(want)}", 60)
    check([t.strip() for t in bob.texts(BOB)] == want, "in order")
    await until(lambda: "room" in shown(bob), "the room's message arrives")
    check(len(shown(bob)) == len(want) + 1, "nothing is shown twice")
    await until(lambda: [e["text"] for e in op.events
                         if e["kind"] == "alert" and
                         e["text"].startswith("queue:")] ==
                ["queue: the queue cannot store messages",
                 "queue: the queue stores messages again"],
                "operators are told once at begin and once at end")
    print(f"  {stored} stored, {last - stored} direct, then stored",
          flush=True)

    # And after a crash it is still so.
    await alice.close()
    await bob.close()
    node.kill()
    await node.start()
    await bob.connect()
    page = await bob.op("history", to="alice@example.org", limit=200)
    check([e["text"].strip() for e in page["events"]] == want[-200:],
          "after a restart")


async def on_failing_calls(calls, why):
    node = Node()
    fault = os.path.join(node.data, "fault")
    node.env = {"LD_PRELOAD": FAULT, "FAULT_FILE": fault,
                "FAULT_PATH": "/journal"}

    def break_it():
        with open(fault + ".new", "w", encoding="ascii") as f:
            f.write(calls)
        os.rename(fault + ".new", fault)

    try:
        await node.start()
        await fails_and_recovers(node, break_it, lambda: os.unlink(fault),
                                 [why])
    finally:
        node.close()


async def failing_fdatasync():
    await on_failing_calls("fdatasync EIO\nfsync EIO\n", "io-error")


async def read_only_disk():
    await on_failing_calls("pwrite EROFS\nfdatasync EROFS\nfsync EROFS\n",
                           "read-only")


def mounted(size):
    """A small file system of its own, or None where that is not allowed."""
    directory = tempfile.mkdtemp(prefix="kith-disk-")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory],
        stderr=subprocess.PIPE, text=True, check=False)
    if made.returncode != 0:
        os.rmdir(directory)
        print(f"SKIPPED: no file system can be mounted: {made.stderr}")
        return None
    return directory


async def disk_full():
    directory = mounted("24m")
    if directory is None:
        return
    node = Node(directory=directory)
    filler = os.path.join(directory, "filler")

    def fill():
        with open(filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 65536)
            except OSError:
                pass

    try:
        await node.start()
        await fails_and_recovers(node, fill, lambda: os.unlink(filler),
                                 ["disk-full", "queue-full"])
    finally:
        node.close()
        subprocess.run(["umount", "-l", directory], check=True)
        shutil.rmtree(directory, ignore_errors=True)


run(failing_fdatasync, read_only_disk, disk_full)
