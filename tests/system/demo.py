#!/usr/bin/python3
"""The demonstration behind `kith.sh demo`: a node in a temporary directory,
two people who talk through the real client, one of them on two devices, and
a kill -9 in the middle.  Exits 0 only if everything arrived.

--stay leaves the node running and says how to go on by hand.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("KITH_BUILD", "build"))
MESSAGES = 40


def say(text):
    print(f"== {text}", flush=True)


class Demo:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="kith-demo-")
        self.data = os.path.join(self.dir, "data")
        self.conf = os.path.join(self.dir, "kithd.conf")
        self.log = os.path.join(self.dir, "log")
        self.port = None
        self.daemon = None
        self.env = {**os.environ, "HOME": self.dir,
                    "XDG_STATE_HOME": os.path.join(self.dir, "state")}

    def configure(self, port):
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"""realm = "example.org"
data = "{self.data}"
listen {{ address = "127.0.0.1" port = {port} }}
password {{ memory = 8 }}
""")

    def start(self):
        """Starts kithd and waits until it says that it is ready."""
        at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(
                [os.path.join(BUILD, "kithd"), "-d", "-f", self.conf],
                stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True)
        end = time.monotonic() + 30
        while True:
            with open(self.log, encoding="utf-8") as f:
                f.seek(at)
                text = f.read()
            if " main: ready " in text:
                break
            if self.daemon.poll() is not None or time.monotonic() > end:
                sys.exit(f"kithd did not start:\n{text}")
            time.sleep(0.02)
        if self.port is None:
            line = [x for x in text.splitlines() if "listening" in x][0]
            self.port = int(line.split("port=")[1].split()[0])
            self.configure(self.port)

    def ctl(self, *args, secret=None):
        return subprocess.run(
            [os.path.join(BUILD, "kithctl"), "-s",
             os.path.join(self.data, "control.sock"), *args],
            input=secret, text=True, check=True, capture_output=True).stdout

    def kith(self, who, *args, secret=None, check=True):
        return subprocess.run(
            [os.path.join(BUILD, "kith"), "--token-file",
             os.path.join(self.dir, f"{who}.token"), *args],
            input=secret, text=True, check=check, capture_output=True,
            env=self.env)

    def follow(self, who):
        out = open(os.path.join(self.dir, f"{who}.follow"), "w+",
                   encoding="utf-8")
        process = subprocess.Popen(
            [os.path.join(BUILD, "kith"), "--json", "--token-file",
             os.path.join(self.dir, f"{who}.token"), "follow"],
            stdout=out, stderr=subprocess.DEVNULL, env=self.env)
        return process, out


def texts(out, sender):
    out.seek(0)
    seen = []
    for line in out:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("kind") == "message" and event["from"] == sender:
            seen.append(event["text"])
    return seen


def main():
    stay = "--stay" in sys.argv[1:]
    d = Demo()
    d.configure(0)
    say(f"a node for example.org in {d.dir}")
    d.start()
    say("two people, alice and bob; bob has a computer and a phone")
    d.ctl("account", "add", "alice", "--operator", secret="alice's secret\n")
    d.ctl("account", "add", "bob", secret="bob's secret\n")
    url = f"ws://127.0.0.1:{d.port}"
    d.kith("alice", "--server", url, "login", "alice", "laptop",
           secret="alice's secret\n")
    for device in ("computer", "phone"):
        d.kith(device, "--server", url, "login", "bob", device,
               secret="bob's secret\n")
    d.kith("alice", "create", "#lounge")
    d.kith("computer", "join", "#lounge")
    followers = {x: d.follow(x) for x in ("computer", "phone")}

    half = MESSAGES // 2
    direct, room = [], []
    for i in range(1, MESSAGES + 1):
        to, sent = ("#lounge", room) if i % 2 else ("bob", direct)
        text = f"message {i}"
        if i == half:
            say(f"kill -9 after {i - 1} messages, and on it goes")
            d.daemon.send_signal(signal.SIGKILL)
            d.daemon.wait()
            d.start()
        done = d.kith("alice", "send", to, text, check=False)
        if done.returncode != 0:
            sys.exit(f"send failed: {done.stderr}")
        sent.append(text)

    say("everything was acknowledged; has it arrived?")
    want = sorted(direct + room)
    end = time.monotonic() + 60
    missing = True
    while missing and time.monotonic() < end:
        missing = [x for x, (_, out) in followers.items()
                   if sorted(texts(out, "alice@example.org")) != want]
        time.sleep(0.05)
    failed = False
    for name, (process, out) in followers.items():
        got = texts(out, "alice@example.org")
        orders = [[t for t in got if t in sent] == sent
                  for sent in (direct, room)]
        good = sorted(got) == want and all(orders)
        failed = failed or not good
        say(f"bob's {name}: {len(got)} of {len(want)} messages, "
            f"{'once each and in order' if good else 'NOT AS SENT'}")
        process.terminate()
        process.wait()
    say("bob reads on his phone; his computer knows")
    d.kith("phone", "read")
    listed = d.kith("computer", "--json", "conversations").stdout
    unread = sum(json.loads(x)["unread"] for x in listed.splitlines())
    failed = failed or unread != 0
    say(f"unread on the computer: {unread}")
    if stay:
        kith = os.path.join(BUILD, "kith")
        say("it stays; in two terminals:")
        for who in ("alice", "phone"):
            print(f"   XDG_STATE_HOME={d.dir}/state {kith} "
                  f"--token-file {d.dir}/{who}.token chat '#lounge'")
        print(f"   {os.path.join(BUILD, 'kithctl')} -s "
              f"{d.data}/control.sock status")
        print(f"   kill {d.daemon.pid}    # ends it")
    else:
        d.daemon.send_signal(signal.SIGTERM)
        status = d.daemon.wait(30)
        failed = failed or status != 0
        say(f"SIGTERM: the node ended with {status}")
        subprocess.run(["rm", "-rf", d.dir], check=True)
        say("try it yourself: ./kith.sh demo --stay")
    sys.exit(1 if failed else 0)


main()
