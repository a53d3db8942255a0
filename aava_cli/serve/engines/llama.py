"""Language models with llama.cpp."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any

from aava_cli.gguf import read_header
from aava_cli.serve.engines import EngineError, Prompt, Unanswerable, threads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Each of these may be less than what was asked for, and only the log says so.
SAID = {
    "gpu_layers": r"offloaded (\d+)/\d+ layers to GPU",
    "threads": r"threadpool init, n_threads = (\d+)",
    "context": r"n_ctx_slot = (\d+)",
}

_OF_WHO_ASKED = ("exceed_context_size_error", "invalid_request_error")
_EVERY_LAYER = 999  # more than any model has
_TALKATIVE = 4  # says where the layers went

# AAVA's names, which are those of another binding, and what llama.cpp calls the same templates.
_TEMPLATES = {
    "chatml": "chatml",
    "gemma": "gemma",
    "llama-2": "llama2",
    "llama-3": "llama3",
    "mistral-instruct": "mistral-v1",
    "vicuna": "vicuna",
    "zephyr": "zephyr",
}


class Llama:
    """A language model that keeps to its own chat template."""

    def __init__(self, server: Any) -> None:  # noqa: ANN401 - an untyped package
        self._server = server

    def reply(self, prompt: Prompt) -> str:
        """Return the answer to *prompt*.

        Raises:
            Unanswerable: the prompt does not fit the context, or is none.
            EngineError: it cannot be answered.
        """
        answer = self._server.handle_chat_completions(
            {
                "messages": _messages(prompt),
                "max_tokens": prompt.max_tokens,
                "temperature": prompt.temperature,
                "top_p": prompt.top_p,
                "repeat_penalty": prompt.repeat_penalty,
            }
        )
        if "error" in answer:
            problem = answer["error"]
            kind = Unanswerable if problem.get("type") in _OF_WHO_ASKED else EngineError
            raise kind(problem["message"])
        return (answer["choices"][0]["message"].get("content") or "").strip()


def load(path: Path, options: Mapping[str, str]) -> Llama:
    """Load the GGUF file *path*.

    Options: `context`, `batch`, `threads`, `gpu_layers` (-1 for all), `chat_format`.
    """
    from xllamacpp import Server

    return Llama(Server(_parameters(path, options)))


def _parameters(path: Path, options: Mapping[str, str]) -> Any:  # noqa: ANN401 - an untyped package
    from xllamacpp import CommonParams

    layers = int(options.get("gpu_layers") or 0)
    asked = CommonParams()
    asked.model.path = str(path)
    asked.n_ctx = min(int(options.get("context", "768")), _longest_context(path))
    asked.n_batch = int(options.get("batch", "128"))
    asked.n_gpu_layers = _EVERY_LAYER if layers < 0 else layers
    asked.cpuparams.n_threads = int(options.get("threads") or threads())
    asked.verbosity = max(asked.verbosity, _TALKATIVE) if layers else asked.verbosity
    # The engine must keep the context that was asked for, or fail.
    asked.fit_params = False
    asked.cache_ram_mib = 0
    _choose_template(asked, options.get("chat_format", ""))
    _close_doors(asked)
    return asked


def _longest_context(path: Path) -> int:
    """Return how much the model was trained to remember; memory for more would lie idle."""
    with path.open("rb") as file:
        metadata = read_header(file, name=str(path)).metadata
    longest = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return longest if isinstance(longest, int) and longest > 0 else sys.maxsize


def _choose_template(asked: Any, name: str) -> None:  # noqa: ANN401
    """Use the model's own template unless *name* says which."""
    if name in ("", "auto"):
        return
    if name not in _TEMPLATES:
        known = ", ".join(f"`{each}`" for each in _TEMPLATES)
        raise EngineError(f"no chat format named `{name}`; known are `auto`, {known}")
    asked.chat_template = _TEMPLATES[name]
    # With Jinja on, a name is taken for the text of a template.
    asked.use_jinja = False


def _close_doors(asked: Any) -> None:  # noqa: ANN401
    """Keep everybody out of the HTTP port that the engine insists on opening."""
    asked.hostnames = ["127.0.0.1"]
    asked.api_keys = [secrets.token_urlsafe(32)]
    asked.ui = False
    asked.endpoint_slots = False


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return [*system, {"role": "user", "content": prompt.text}]
