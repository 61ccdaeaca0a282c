"""Files of scores as the analyses take them: checked to belong together, counts added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ScoreFile",
    "all_combined",
    "combined",
    "read",
    "read_all",
    "require_same",
    "shared_proxies",
]

FIXED = ("space", "protocol", "protocol_revision", "batch_size")
"""What files that are compared must share, whatever they are compared for."""


@dataclass(frozen=True, eq=False)
class ScoreFile:
    """Scores of one run; `run` is what the file tells about it (empty for a bare CSV)."""

    path: Path
    scores: pd.DataFrame
    run: dict[str, Any]
    notes: list[str]

    @property
    def by_architecture(self) -> pd.DataFrame:
        """The scores indexed by architecture."""
        return self.scores.set_index("architecture")

    @property
    def protocol(self) -> str:
        """What is known of how the scores were made, in a few words."""
        if not self.run:
            return "protocol not stated in the file"
        from zcproxy.protocols import batch_in_words

        seeds = f"seed {self.run.get('seed')}, batch seed {self.run.get('batch_seed')}"
        return f"protocol {self.run.get('protocol')}, {batch_in_words(self.run)}, {seeds}"


def read(path: Path, subset: str, proxies: str = "all") -> ScoreFile:
    """Scores of a subset of the architectures in a file, with the counts of their space.

    Of `proxies`, as the option --proxies has them: `all` leaves out those of which there is only a
    sample where others are scored throughout (`zcproxy.cli.evaluation.whole`).

    Raises DataError for a missing or damaged file, InputError for an unknown subset or no scores.
    """
    from zcproxy.cli.evaluation import (
        chosen_proxies,
        members,
        of_subset,
        origin,
        sampled,
        split_names,
        whole,
        with_counts,
    )
    from zcproxy.proxies import COUNTS
    from zcproxy.store import read_scores

    scores = read_scores(path)
    if scores.empty:
        raise InputError(f"{path} holds no scores; zcproxy score adds some")
    run = {str(name): value for name, value in scores.attrs.items()}
    scores = of_subset(scores, subset, run.get("space"))
    names = chosen_proxies(proxies, scores)
    kept, left_out = whole(scores, names, split_names(proxies))
    needed = {*kept, *members(kept)}
    notes = [*origin(scores, needed), *left_out]
    scores, of_samples = sampled(scores, needed)
    notes += of_samples
    scores = scores.drop(columns=[n for n in names if n not in needed])
    scores = with_counts(scores, COUNTS, run.get("space"), run.get("dataset"))
    return ScoreFile(path, scores, run, notes)


def read_all(
    paths: Sequence[Path], subset: str, proxies: str = "all", fixed: Sequence[str] = FIXED
) -> list[ScoreFile]:
    """Several files, all different and of the same space and protocol; notes tell their files."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError("a file of scores is named twice; give every run once")
    files = [read(path, subset, proxies) for path in paths]
    require_same(files, fixed)
    if all(file.notes == files[0].notes for file in files):
        return files
    return [replace(f, notes=[f"{f.path}: {note}" for note in f.notes]) for f in files]


def require_same(files: Sequence[ScoreFile], fixed: Sequence[str]) -> None:
    """Raise InputError where files differ in what must be the same, or only some state it."""
    first, *others = files
    for other in others:
        if bool(first.run) != bool(other.run):
            silent = other if first.run else first
            raise InputError(
                f"{silent.path} does not state its protocol and the other files do; compare files "
                "that zcproxy score wrote"
            )
        for name in fixed:
            ours, theirs = first.run.get(name), other.run.get(name)
            if ours != theirs:
                raise InputError(
                    f"{first.path} and {other.path} differ in {name.replace('_', ' ')}: {ours} and "
                    f"{theirs}; scores like these are not compared"
                )


def shared_proxies(files: Sequence[ScoreFile], proxies: str) -> tuple[list[str], list[str]]:
    """The proxies asked for, `all` being those of all files, and a note on those one file lacks."""
    from zcproxy.analysis import score_columns
    from zcproxy.cli.evaluation import split_names

    names = split_names(proxies)
    if "all" not in names:
        return names, []
    columns = [score_columns(file.scores) for file in files]
    shared = [name for name in columns[0] if all(name in other for other in columns)]
    lacking = list(dict.fromkeys(n for names in columns for n in names if n not in shared))
    if not shared:
        raise InputError("the files of scores have no proxy in common")
    notes = [f"left out, not in all files: {', '.join(lacking)}"] if lacking else []
    asked = [shared if name == "all" else [name] for name in names]
    return list(dict.fromkeys(name for one in asked for name in one)), notes


def combined(scores: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """The named proxies alone, combinations among them, beside the architectures; notes on these.

    The notes are those of `combination_notes`: members left out, and who comes last.
    """
    from zcproxy.analysis import combination_notes, select_columns, with_combinations
    from zcproxy.cli.evaluation import require_scored

    require_scored(scores, names)
    made = with_combinations(scores, list(names))
    chosen = select_columns(made, names).assign(architecture=scores["architecture"].to_numpy())
    return chosen, combination_notes(scores, names)


def all_combined(
    files: Sequence[ScoreFile], names: Sequence[str]
) -> tuple[dict[Path, pd.DataFrame], list[str]]:
    """`combined` of every file, indexed by architecture; notes that differ name their file."""
    made = {file.path: combined(file.scores, names) for file in files}
    notes = [told for _, told in made.values()]
    same = all(told == notes[0] for told in notes)
    lines = notes[0] if same else [f"{path}: {n}" for path, (_, told) in made.items() for n in told]
    return {path: frame.set_index("architecture") for path, (frame, _) in made.items()}, lines
