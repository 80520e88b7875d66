"""A deterministic simulator of KVM asynchronous page faults. See docs/python.md."""

import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import pandas
import polars

__version__: str
__build__: str

Progress = Callable[[int, int], object]
Path = str | PathLike[str]

class Error(ValueError): ...

class Scenario:
    def __init__(self, source: Path | dict[str, Any]) -> None: ...
    @staticmethod
    def parse(text: str, file: str = "scenario") -> Scenario: ...
    def set(self, changes: Mapping[str, Any]) -> Scenario: ...
    def replace(
        self,
        *,
        policies: Sequence[str] | None = None,
        seed: int | None = None,
        replications: int | None = None,
    ) -> Scenario: ...
    def compare(
        self,
        *,
        jobs: int | None = None,
        out: Path | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Results: ...
    def run(
        self,
        policy: str | None = None,
        *,
        replications: int = 1,
        jobs: int | None = None,
        out: Path | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Results: ...
    def sweep(
        self, axes: Mapping[str, Iterable[Any] | str], *, metrics: Sequence[str] = ()
    ) -> Sweep: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def policies(self) -> list[str]: ...
    @property
    def baseline(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def replications(self) -> int: ...

class Sweep:
    def __init__(
        self,
        source: Path,
        *,
        set: Mapping[str, Any] | None = None,
        metrics: Sequence[str] = (),
        policies: Sequence[str] | None = None,
        seed: int | None = None,
        replications: int | None = None,
    ) -> None: ...
    @staticmethod
    def parse(
        text: str,
        file: str = "sweep",
        *,
        set: Mapping[str, Any] | None = None,
        metrics: Sequence[str] = (),
        policies: Sequence[str] | None = None,
        seed: int | None = None,
        replications: int | None = None,
    ) -> Sweep: ...
    def run(
        self,
        *,
        jobs: int | None = None,
        out: Path | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Results: ...
    def scenarios(self) -> list[Scenario]: ...
    def __len__(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def axes(self) -> list[str]: ...
    @property
    def labels(self) -> list[str]: ...

class Results:
    def columns(self, table: str = "runs", missing: Any = None) -> dict[str, list[Any]]: ...
    def pandas(self, table: str = "runs") -> pandas.DataFrame: ...
    def polars(self, table: str = "runs") -> polars.DataFrame: ...
    def to_dict(self) -> Any: ...
    def table(self) -> str: ...
    def write(self, folder: Path, *, overwrite: bool = False) -> list[pathlib.Path]: ...
    @property
    def tables(self) -> list[str]: ...
    @property
    def digest(self) -> str: ...
    @property
    def has_violation(self) -> bool: ...

def scenarios() -> list[tuple[str, str]]: ...
def merge(folders: Iterable[Path], out: Path | None = None) -> Results: ...
