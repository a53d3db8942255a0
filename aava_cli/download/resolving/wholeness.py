"""Which files a transformers model consists of, by their names.

The names are those that transformers looks for: `CONFIG_NAME`, `SAFE_WEIGHTS_NAME` and the
others in `transformers/utils/__init__.py`, and the `vocab_files_names` of its tokenizers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

CONFIG = "config.json"
INDEX_ENDS = ".index.json"
# Where several are there, the first of them is what is loaded.
_WEIGHTS = (
    "model.safetensors",
    f"model.safetensors{INDEX_ENDS}",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX_ENDS}",
)
_TOKENIZERS = (
    *("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model"),
    *("sentencepiece.bpe.model", "spm_char.model", "spm.model", "source.spm", "tekken.json"),
)
_TOKENIZER_ENDS = ".tiktoken"


@dataclass(frozen=True, slots=True)
class Lack:
    """One *file* that keeps a model from being loaded, and its *problem*.

    One that *is_there* and is damaged is not fetched again unless that is forced.
    """

    file: str
    problem: str
    is_there: bool = False

    def __str__(self) -> str:
        return f"`{self.file}` {self.problem}"


def weights_among(names: Collection[str]) -> str | None:
    """Return the file of *names* from which the weights are loaded: one file, or an index."""
    return next((name for name in _WEIGHTS if name in names), None)


def lacks_among(names: Collection[str]) -> Iterator[Lack]:
    """Yield what *names*, the files of one folder, lack of a model."""
    if CONFIG not in names:
        yield Lack(CONFIG, "is missing")
    if not any(name in _TOKENIZERS or name.endswith(_TOKENIZER_ENDS) for name in names):
        yield Lack(_TOKENIZERS[0], "is missing, and so is every other tokenizer")
    if weights_among(names) is None:
        yield Lack(_WEIGHTS[0], "is missing, and so are all other weights")
