"""What starts the daemon with the host: a unit for systemd, for supervisord, and for Vast.ai."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.errors import NotPossible
from aava_cli.output import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

Line: TypeAlias = "Callable[[Sequence[str]], str]"
Quote: TypeAlias = "Callable[[str], str]"
Kind: TypeAlias = Literal["systemd", "supervisor", "onstart"]

# Beside the time that calls get: closing them, and ending the models' processes.
_GRACE_S = 15

_SYSTEMD = """\
# aava serve --print-unit systemd > /etc/systemd/system/aava.service
# systemctl daemon-reload && systemctl enable --now aava
[Unit]
Description=aava voice daemon
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
User={user}
WorkingDirectory={folder}
ExecStart={command}
Restart=on-failure
RestartSec=5
# It is ready once its models are loaded, which may take minutes.
TimeoutStartSec=infinity
TimeoutStopSec={stop_s}
WatchdogSec=60
KillMode=mixed
NoNewPrivileges=true
PrivateTmp=true
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""

_SUPERVISOR = """\
; aava serve --print-unit supervisor > /etc/supervisor/conf.d/aava.conf
; supervisorctl update
[program:aava]
command={command}
directory={folder}
user={user}
autostart=true
autorestart=unexpected
exitcodes=0
startsecs=5
stopsignal=TERM
stopwaitsecs={stop_s}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""

_ONSTART = """\
#!/bin/bash
# aava serve --print-unit onstart >> ~/onstart.sh
# The instance runs that at every start; a daemon that ended by itself is started again.
cd -- {folder} && mkdir -p -m 700 -- {logs} || exit 1
nohup bash -c '
    while true; do
        "$@" && break   # stopped by SIGTERM
        code=$?
        [ "$code" -eq 2 ] || [ "$code" -eq 5 ] && break   # wrong as written, or it runs already
        sleep 5
    done
' aava {command} >> {log} 2>&1 &
"""


@dataclass(frozen=True, slots=True)
class Unit(Result):
    """What is to be written where, as its own first lines say."""

    kind: Kind
    content: str

    def text(self) -> Iterable[str]:
        """Yield the file, a line at a time."""
        yield from self.content.splitlines()


@dataclass(frozen=True, slots=True)
class Service:
    """What is started: *command* for the project *folder*, as *user*, with *drain_s* to end."""

    command: Sequence[str]
    folder: Path
    user: str
    log: Path
    drain_s: float


def unit_for(kind: Kind, service: Service) -> Unit:
    """Return the unit that starts *service*.

    Raises:
        NotPossible: a line cannot hold the names in it.
    """
    template, line, quote_path = _TEMPLATES[kind]
    words = (*service.command, str(service.folder), service.user)
    if not all(each.isprintable() for each in words):
        message = f"a unit cannot name `{service.folder}` or what is started there"
        raise NotPossible(message, hint="move the project to a folder with a plain name")
    content = template.format(
        command=line(service.command),
        folder=quote_path(str(service.folder)),
        logs=quote_path(str(service.log.parent)),
        log=_supervisor_log(service.folder)
        if kind == "supervisor"
        else quote_path(str(service.log)),
        user=service.user,
        stop_s=round(service.drain_s + _GRACE_S),
    )
    return Unit(kind, content)


def _percent(text: str) -> str:
    # Both systemd and supervisord read `%` as the beginning of something to be put in.
    return text.replace("%", "%%")


def _for_systemd(word: str) -> str:
    """Return *word* as `systemd.service(5)` wants it in a command line."""
    doubled = _percent(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{doubled}"' if any(each.isspace() or each in "\"'\\;" for each in word) else doubled


def _systemd_command(words: Sequence[str]) -> str:
    # It takes no quotes in the name of a program, and leaves its `$$` as they are.
    plain = not set(words[0]) & set("$'\"\\")
    started = words if plain else ("/bin/sh", "-c", 'exec "$@"', "aava", *words)
    return " ".join(map(_for_systemd, started))


def _folder(path: str) -> str:
    # A line ends without its spaces, and goes on behind a backslash.
    return f"{path}/" if path[-1].isspace() or path.endswith("\\") else path


def _for_supervisor(word: str) -> str:
    # It splits a command as a shell does, but cuts off what looks like a comment before that.
    return _percent(_COMMENT.sub(r"\1''\2", shlex.quote(word)))


def _supervisor_command(words: Sequence[str]) -> str:
    return " ".join(map(_for_supervisor, words))


def _supervisor_path(path: str) -> str:
    # A path is not split, so only what comes to nothing can stand before a `;` or a `#`.
    return _COMMENT.sub(r"\1%(program_name).0s\2", _percent(path))


def _supervisor_log(folder: Path) -> str:
    # A place that is not there would have it refuse everything that it starts. It puts values
    # into this one once or twice, by its version; `AUTO` is a file of its own choice.
    return "AUTO" if "%" in str(folder) else _supervisor_path(f"{folder}/aava-serve.log")


_COMMENT = re.compile(r"(\s)([;#])")

_TEMPLATES: Mapping[Kind, tuple[str, Line, Quote]] = {
    "systemd": (_SYSTEMD, _systemd_command, lambda path: _folder(_percent(path))),
    "supervisor": (_SUPERVISOR, _supervisor_command, lambda path: _folder(_supervisor_path(path))),
    "onstart": (_ONSTART, shlex.join, shlex.quote),
}
