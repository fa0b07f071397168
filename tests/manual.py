#!/usr/bin/python3
"""The manual against the code: every command, option, configuration key,
operation, push, event kind and error code stands in its page, and no page
names one that does not exist.

usage: manual.py SOURCE-DIRECTORY
"""

import os
import re
import sys

top = sys.argv[1]
problems = []


def read(path):
    with open(os.path.join(top, path), encoding="utf-8") as f:
        return f.read()


def table(path, pattern):
    return re.findall(pattern, read(path))


def expect(page, what, wanted, documented):
    wanted, documented = set(wanted), set(documented)
    for name in sorted(wanted - documented):
        problems.append(f"{page}: {what} {name} is missing")
    for name in sorted(documented - wanted):
        problems.append(f"{page}: {what} {name} does not exist")


def items(page, section=None, until=None):
    text = read(page)
    if section:
        text = text[text.index(section):]
    if until:
        text = text[:text.index(until)]
    return text


def commands():
    source = read("cli/kith.c")
    rows = re.findall(r'\{ "(\w+)", "', source)
    page = items("man/kith.1", "The commands are", "What is sent goes")
    expect("kith.1", "command", rows,
           re.findall(r"^\.It Ic (\w+)", page, re.M))
    options = re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', source)
    page = items("man/kith.1", "The options are", ".Sh ENVIRONMENT")
    expect("kith.1", "option", options,
           re.findall(r"^\.It Fl -([a-z-]+)", page, re.M))

    source = read("cli/kithctl.c")
    rows = re.findall(r'\{ "([a-z ]+)", "[^"]*",', source)
    page = items("man/kithctl.8", "The commands are", "The options are")
    documented = [re.sub(r" (Ar|Op).*", "", x) for x in
                  re.findall(r"^\.It Ic ([^\n]+)", page, re.M)]
    expect("kithctl.8", "command", rows, documented)
    options = re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', source)
    page = items("man/kithctl.8", "The options are", ".Sh EXIT")
    expect("kithctl.8", "option", options,
           re.findall(r"Fl -([a-z-]+)", "\n".join(
               re.findall(r"^\.It .*", page, re.M))))


def configuration():
    keys = ["realm", "data", "user", "control", "registration"]
    keys += re.findall(r'CFG_(?:STR|INT|BOOL|STR_LIST)\("(\w+)"',
                       read("node/config.c"))
    keys += [m[1] for m in
             table("node/config.h", r"X\((\w+), (\w+), \d+, \d+, \d+\)")]
    sections = re.findall(r'CFG_SEC\("(\w+)"', read("node/config.c"))
    page = read("man/kithd.conf.5")
    expect("kithd.conf.5", "section", sections,
           re.findall(r"^\.Ss Section (\w+)", page, re.M))
    expect("kithd.conf.5", "key", keys,
           re.findall(r"^\.It Ic (\w+)", page, re.M))
    for section, key, default, least, most in table(
            "node/config.h", r"X\((\w+), (\w+), (\d+), (\d+), (\d+)\)"):
        part = page[page.index(f".Ss Section {section}"):]
        if not re.search(rf"^\.It Ic {key}\n(?:[^.].*\n)+?"
                         rf"Default {default}, {least} to {most}\.", part,
                         re.M):
            problems.append(f"kithd.conf.5: {section}.{key}: not with "
                            f"default {default}, {least} to {most}")


def protocol():
    page = read("man/kith-protocol.7")
    rows = table("proto/op.h", r'X\(OP_(\w+), "([a-z-]+)"')
    wanted = [name for constant, name in rows
              if not constant.startswith("CTL")]
    part = items("man/kith-protocol.7", ".Sh OPERATIONS", ".Sh PUSHES")
    expect("kith-protocol.7", "operation", wanted,
           re.findall(r"^\.It Ic ([a-z]+)", part, re.M))
    codes = [c for c in table("base/err.h",
                              r'X\(\w+, "([a-z-]+)",') if c != "ok"]
    part = items("man/kith-protocol.7", ".Sh ERROR CODES", ".Sh EXAMPLES")
    documented = re.findall(r"[a-z-]+", " ".join(
        re.findall(r"^\.It Er (.*)", part, re.M)))
    expect("kith-protocol.7", "error code", codes, documented)
    kinds = table("proto/event.h", r'X\(EVENT_\w+, \d+, "(\w+)"\)')
    part = items("man/kith-protocol.7", ".Sh PUSHES", "An erased event")
    documented = re.findall(r"[a-z]+", " ".join(
        re.findall(r"^\.It Sy (.*)", part, re.M)))
    expect("kith-protocol.7", "kind", kinds, documented)
    # Every member of a request is in its operation's line.
    rows = re.findall(r'X\(OP_(?!CTL)\w+, "([a-z]+)",\s*([^,]*),([^,]*),',
                      read("proto/op.h"))
    part = items("man/kith-protocol.7", ".Sh OPERATIONS", ".Sh PUSHES")
    for name, required, optional in rows:
        line = re.search(rf"^\.It Ic {name}\b(.*)", part, re.M)
        for member in re.findall(r"K\((\w+)\)", required + optional):
            if line and not re.search(rf"\b{member}\b", line[1]):
                problems.append(f"kith-protocol.7: {name}: no {member}")


def main():
    commands()
    configuration()
    protocol()
    for problem in problems:
        print(problem)
    print(f"manual: {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
