"""Tables from the official files of NAS-Bench-201 and NATS-Bench, read by their own packages.

Both benchmarks ship Python pickles, which can run any code while they are read. The `.pth` is
opened with torch's restricted reader (`weights_only=True`), which admits plain data and numpy
numbers only.
NATS-Bench's package opens its files itself and unrestricted, so it is used only when the caller
says `trust=True`.
"""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import tempfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace as changed
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcproxy.errors import DataError, InputError
from zcproxy.tables.columns import Column, official
from zcproxy.tables.frame import Trial, from_trials

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["nasbench201", "nats"]

Progress = Callable[[int, int], None]

_CHUNK = 200  # architectures handed to NASBench201API at once
_FILE = re.compile(r"(\d{6}|meta)\.pickle\.pbz2")
_META = "meta.pickle.pbz2"
_SPACE = "nasbench201"


def nasbench201(
    path: Path, trust: bool = False, progress: Progress = lambda done, total: None
) -> pd.DataFrame:
    """The table in an official `NAS-Bench-201-v1_*.pth`, through the package `nas-bench-201`.

    Memory: the official file is 4.7 GB and grows several times as Python objects. The package
    copies whatever it is given; so it gets 200 architectures at a time, which are then forgotten.

    Args:
        path: the file.
        trust: open it without restriction (needed only if the restricted reader refuses it).
        progress: called with the architectures done and their total.

    Raises: DataError if the file is missing, damaged, refused, or of another structure.
    """
    content = _torch_load(path, trust)
    keys = {"meta_archs", "arch2infos", "evaluated_indexes"}
    if not isinstance(content, dict) or not keys <= content.keys():
        raise DataError(f"{path} is no NAS-Bench-201 file: it lacks {', '.join(sorted(keys))}")
    return from_trials(_of_dictionary(content, path, progress), _SPACE)


def nats(
    path: Path, trust: bool = False, progress: Progress = lambda done, total: None
) -> pd.DataFrame:
    """The table in official NATS-Bench topology files, through the package `nats_bench`.

    Args:
        path: the folder `NATS-tss-v1_0-3ffb9-simple`, or it as `.tar`. A folder may hold
            some of the architectures; these are imported.
        trust: must be True, since the package opens pickles without restriction.
        progress: called with the architectures done and their total.

    Raises: InputError without `trust`; DataError if files are missing, damaged, or those of the
        size space.
    """
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    if "-sss-" in path.name:
        raise _size_space(path)
    _require_benchmark(path)
    if not trust:
        raise InputError(
            f"{path} holds Python pickles, which can run any code when opened; if you trust "
            "their source, say --trust-pickle"
        )
    if path.is_dir():
        return from_trials(_of_folder(path, path.name, progress), _SPACE)
    with tempfile.TemporaryDirectory(prefix="zcproxy-") as folder:
        _unpack(path, Path(folder))
        return from_trials(_of_folder(Path(folder), path.name, progress), _SPACE)


def _require_benchmark(path: Path) -> None:
    """Raise DataError unless the folder or tar holds the file that all of NATS-Bench needs."""
    if path.is_dir():
        found = any(p.name == _META for p in path.iterdir())
    else:
        with _unpackable(path), tarfile.open(path, "r:*") as archive:
            found = any(Path(member.name).name == _META for member in archive)
    if not found:
        raise DataError(
            f"{path} is no NATS-Bench folder or tar: it has no {_META}; expected is "
            "NATS-tss-v1_0-3ffb9-simple, unpacked or as .tar"
        )


def _torch_load(path: Path, trust: bool) -> Any:
    """The content of a `.pth`: restricted to plain data and numpy numbers unless trusted."""
    import pickle

    import numpy as np
    import torch

    _require_pth(path)
    scalar = np.float64(0).__reduce__()[0]  # what numpy calls to restore a number
    admitted: list[Any] = [OrderedDict, defaultdict, dict, np.dtype]
    admitted += [type(np.dtype(kind)) for kind in ("f8", "f4", "i8")]
    admitted += [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    try:
        with torch.serialization.safe_globals(admitted):
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except FileNotFoundError as problem:
        raise DataError(f"there is no file {path}") from problem
    except pickle.UnpicklingError as problem:
        reason = "damaged, or it holds more than plain data"
        named = re.search(r"(?:GLOBAL|Unsupported \w+:?|global) `?([\w.]+)", str(problem))
        more = f" ({named[1]})" if named else ""
        raise DataError(
            f"{path} is {reason}{more}; a file from a source you trust opens with --trust-pickle"
        ) from problem
    except Exception as problem:  # a damaged archive or pickle may raise anything
        first = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise DataError(f"{path} is not a whole .pth file ({first})") from problem


def _require_pth(path: Path) -> None:
    """Raise DataError unless the file begins as torch's files do: as a zip or as a pickle."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except FileNotFoundError as problem:
        raise DataError(f"there is no file {path}") from problem
    if start not in (b"PK", b"\x80\x02"):
        raise DataError(
            f"{path} is no .pth file of torch; expected is an official NAS-Bench-201-v1_*.pth"
        )


def _of_dictionary(content: dict[str, Any], path: Path, progress: Progress) -> Iterator[Trial]:
    """Trials in the dictionary of the `.pth`; its records are removed as they are read."""
    from nas_201_api import NASBench201API

    names, records = content["meta_archs"], content["arch2infos"]
    indices = sorted(records)
    for start in range(0, len(indices), _CHUNK):
        chunk = indices[start : start + _CHUNK]
        part = {
            "meta_archs": names,
            "arch2infos": {i: records.pop(i) for i in chunk},
            "evaluated_indexes": chunk,
        }
        with _understood(path):
            api = NASBench201API(part, verbose=False)
        for index in chunk:
            with _understood(path):
                trials = list(_trials(api, index, path.name))
            yield from trials
        progress(start + len(chunk), len(indices))


def _of_folder(folder: Path, origin: str, progress: Progress) -> Iterator[Trial]:
    """Trials of the architectures whose files are in a NATS-Bench folder."""
    from nats_bench import create

    files = sorted(p.name for p in folder.iterdir() if _FILE.fullmatch(p.name))
    with _understood(folder):
        api = create(str(folder), "tss", fast_mode=True, verbose=False)
    if not str(api.meta_archs[0]).startswith("|"):
        raise _size_space(folder)
    indices = [int(name[:6]) for name in files if not name.startswith("meta")]
    for done, index in enumerate(indices, start=1):
        with _understood(folder / f"{index:06d}.pickle.pbz2"):
            trials = list(_trials(api, index, origin))
        api.arch2infos_dict.pop(index)  # the package would keep every architecture in memory
        yield from trials
        progress(done, len(indices))


def _trials(api: Any, index: int, origin: str) -> Iterator[Trial]:
    """Every accuracy after the last epoch: both training lengths, all data sets, splits, seeds."""
    architecture = api.arch(index)
    for epochs in ("12", "200"):
        results = api.query_meta_info_by_index(index, hp=epochs)
        for dataset in results.get_dataset_names():
            for seed, trial in results.query(dataset).items():
                splits = {"train": trial.get_train()}
                splits |= {name: trial.get_eval(name) for name in trial.get_eval_set()}
                for split, metrics in splits.items():
                    column = _column(dataset, split, int(epochs), int(seed), origin)
                    yield architecture, column, metrics["accuracy"]


@lru_cache(maxsize=1024)
def _column(dataset: str, split: str, epochs: int, seed: int, origin: str) -> Column:
    """One object per column: there are a million trials, and 83 columns."""
    return changed(official(dataset, split, epochs, seed), source=origin)


@contextlib.contextmanager
def _understood(where: Path) -> Iterator[None]:
    """Both packages answer a wrong file with whatever breaks first; say which file it was."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except DataError:
        raise
    except Exception as problem:
        reason = (str(problem).splitlines() or [""])[0] or type(problem).__name__
        raise DataError(f"{where} is damaged or of another format ({reason})") from problem


def _unpack(tar: Path, folder: Path) -> None:
    """The benchmark's files from a tar; anything else in it is left there.

    Only the last part of each name is used, so nothing can be written outside `folder`.
    """
    with _unpackable(tar), tarfile.open(tar, "r:*") as archive:
        for member in archive:
            name = Path(member.name).name
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None and _FILE.fullmatch(name):
                (folder / name).write_bytes(stream.read())


@contextlib.contextmanager
def _unpackable(tar: Path) -> Iterator[None]:
    """Every way in which a tar can be damaged, in one line."""
    try:
        yield
    except (tarfile.TarError, EOFError, OSError) as problem:
        first = (str(problem).splitlines() or [type(problem).__name__])[0].rstrip(":")
        raise DataError(
            f"{tar} is not a whole tar file ({first}); expected is NATS-tss-v1_0-3ffb9-simple.tar"
        ) from problem


def _size_space(path: Path) -> DataError:
    return DataError(
        f"{path} is the size space of NATS-Bench, which zcproxy does not have; the topology space "
        "is NATS-tss-v1_0-3ffb9-simple"
    )
