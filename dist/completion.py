#!/usr/bin/python3
"""Writes the completion of kith and kithctl for bash and zsh, out of their
tables: completion.py SOURCE-DIRECTORY bash|zsh kith|kithctl
"""

import os
import re
import sys

top, shell, program = sys.argv[1:]
with open(os.path.join(top, "cli", program + ".c"), encoding="utf-8") as f:
    source = f.read()
commands = re.findall(r'\{ "([a-z ]+)",\s*"[^"]*",\s*"([^"]*)"', source)
options = ["--" + o for o in re.findall(
    r'\{ "([a-z-]+)", (?:no|required)_argument', source)]
first = sorted({c.split()[0] for c, _ in commands})
second = {w: sorted(c.split()[1] for c, _ in commands
                    if c.split()[0] == w and " " in c) for w in first}

if shell == "bash":
    cases = "\n".join(f"\t{w}) words='{' '.join(s)}' ;;"
                      for w, s in second.items() if s)
    print(f"""# bash completion of {program}(1)
_{program}() {{
	local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
	local words='{' '.join(first + options)}'
	case $prev in
	--*file|--socket|--many|--tokens|-s)
		COMPREPLY=($(compgen -f -- "$cur")); return ;;
{cases}
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -F _{program} {program}""")
else:
    lines = "\n".join(f"\t\t'{c}:{h.replace(chr(39), '')}'"
                      for c, h in commands)
    print(f"""#compdef {program}
_{program}() {{
	local -a commands options
	commands=(
{lines}
	)
	options=({' '.join(options)})
	if [[ $words[CURRENT] == -* ]]; then
		compadd -- $options
	elif [[ $words[CURRENT-1] == --*file ]]; then
		_files
	else
		_describe command commands
	fi
}}
_{program} "$@" """.rstrip())
