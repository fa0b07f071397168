#!/usr/bin/python3
"""Promises 1 and 2 when the disk fails: failing fdatasync, disk full,
read-only disk.  No false acknowledgement, `degraded' in /readyz, direct
delivery seen by the recipient, one alert, recovery by itself, nothing lost,
nothing shown twice."""

import asyncio
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


async def fails_and_recovers(node, break_it, mend_it, why):
    """The common story, whatever breaks."""
    alice, bob, op = await people(node)
    await alice.op("create", room="#r")
    await bob.op("join", room="#r")
    for n in range(1, 11):
        await alice.send(BOB, f"m{n}", number=n)
    await until(lambda: len(bob.texts()) == 10, "ten before")
    break_it()

    # Until the node has noticed, a send may still be answered as failed.
    kept = {}
    for n in range(11, 16):
        try:
            ok = await alice.op("send", to=BOB, stream=1, number=n,
                                text=f"m{n}")
            check("durable" not in ok, f"a false acknowledgement: {ok}")
            check(ok["direct"] >= 1, f"{ok}")
        except Refused as e:
            check(e.code in ("queue-unavailable", "out-of-order"), f"{e}")
        kept[n] = f"m{n}"
    status, text = node.http("/readyz")
    await until(lambda: node.http("/readyz")[0] == 503, "/readyz says no")
    status, text = node.http("/readyz")
    check(why in text, f"/readyz says why: {status} {text!r}")
    check(node.http("/healthz")[0] == 200, "the process is alive")
    ok = await alice.op("send", to=BOB, stream=1, number=16, text="m16")
    check(ok.get("direct") == 1 and "durable" not in ok, f"direct: {ok}")
    kept[16] = "m16"
    check("m16" in [d["text"] for d in bob.direct], "bob sees it now")
    await alice.refused("queue-unavailable", "send", to="#r", stream=2,
                        number=1, text="room")
    await until(lambda: any(p["push"] == "queue" and
                            p["state"] == "degraded" for p in alice.pushes),
                "clients are told")

    mend_it()
    await until(lambda: any(p["push"] == "queue" and p["state"] == "ok"
                            for p in alice.pushes), "it recovers by itself",
                30)
    for n, text in sorted(kept.items()):
        ok = await alice.op("send", to=BOB, stream=1, number=n, text=text)
        check(ok.get("durable") == "home", f"stored now: {ok}")
    await alice.send("#r", "room", stream=2, number=1)
    await until(lambda: node.http("/readyz")[0] == 200, "/readyz says yes")
    want = [f"m{n}" for n in range(1, 17)]
    await until(lambda: sorted(shown(bob)) == sorted(want + ["room"]),
                f"everything once: {shown(bob)}")
    check([t for t in bob.texts("bob@example.org")] == want, "in order")
    await until(lambda: [e["text"] for e in op.events
                         if e["kind"] == "alert" and
                         e["text"].startswith("queue:")] ==
                ["queue: the queue cannot store messages",
                 "queue: the queue stores messages again"],
                "operators are told once at begin and once at end")

    # And after a crash it is still so.
    await alice.close()
    await bob.close()
    node.kill()
    await node.start()
    await bob.connect()
    page = await bob.op("history", to="alice@example.org", limit=200)
    check([e["text"] for e in page["events"]] == want, "after a restart")


async def failing_fdatasync():
    node = Node()
    fault = os.path.join(node.data, "fault")
    node.env = {"LD_PRELOAD": FAULT, "FAULT_FILE": fault,
                "FAULT_PATH": "/journal/"}

    def break_it():
        with open(fault + ".new", "w", encoding="ascii") as f:
            f.write("fdatasync EIO\nfsync EIO\npwrite EIO\nwrite EIO\n")
        os.rename(fault + ".new", fault)

    try:
        await node.start()
        await fails_and_recovers(node, break_it, lambda: os.unlink(fault),
                                 "io-error")
    finally:
        node.close()


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


async def on_small_disk(break_it, mend_it, why):
    directory = mounted("24m")
    if directory is None:
        return
    node = Node(directory=directory)
    try:
        await node.start()
        await fails_and_recovers(node, lambda: break_it(directory),
                                 lambda: mend_it(directory), why)
    finally:
        node.close()
        subprocess.run(["umount", "-l", directory], check=True)
        shutil.rmtree(directory, ignore_errors=True)


async def read_only_disk():
    def remount(mode):
        def do(directory):
            subprocess.run(["mount", "-o", f"remount,{mode}", directory],
                           check=True)
        return do

    await on_small_disk(remount("ro"), remount("rw"), "read-only")


run(failing_fdatasync, read_only_disk)
