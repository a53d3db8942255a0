"""What the program knows of engines: one frozen record each, and what follows from them.

Everything that is written, sent, expected or undone is derived from the records, which are
the only place that knows an engine: `hearing`, `thinking` and `speaking`. The rest is machinery.
"""

from aava_cli.backends.record import Backend
from aava_cli.backends.selection import Selection, lookup, running_in, selected_in
from aava_cli.backends.setting import Kind, Setting, Values
from aava_cli.backends.table import BACKENDS, backend_in_env, backend_in_status, backend_named
from aava_cli.backends.thinking import SYSTEM_PROMPT

__all__ = [
    "BACKENDS",
    "SYSTEM_PROMPT",
    "Backend",
    "Kind",
    "Selection",
    "Setting",
    "Values",
    "backend_in_env",
    "backend_in_status",
    "backend_named",
    "lookup",
    "running_in",
    "selected_in",
]
