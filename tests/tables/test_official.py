"""Official files through the official packages, against the values known to be in them."""

from __future__ import annotations

import bz2
import os
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from zcproxy.errors import DataError, InputError
from zcproxy.tables import official
from zcproxy.tables.columns import official as column
from zcproxy.tables.importing import import_file

INDICES = (0, 11, 284)


@pytest.fixture(scope="module")
def sample() -> Path:
    """The folder of three topology architectures of NATS-Bench, byte copies of official files."""
    folder = Path(os.environ.get("ZCPROXY_DATA", "")) / "nats_bench_official_sample"
    if not folder.is_dir():
        pytest.skip("needs the official NATS-Bench sample in $ZCPROXY_DATA")
    return folder / "NATS-tss-v1_0-3ffb9-simple"


@pytest.fixture(scope="module")
def known(sample: Path) -> pd.DataFrame:
    """Every final accuracy in the sample."""
    values = pd.read_csv(sample.parent / "expected_values.csv")
    return values[values.space == "tss"]


def unpickled(path: Path) -> Any:
    return pickle.loads(bz2.decompress(path.read_bytes()))


@pytest.fixture(scope="module")
def pth(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.pth` of the structure of NAS-Bench-201-v1_1 with three real architectures in it."""
    records = {}
    for index in INDICES:
        record = unpickled(sample / f"{index:06d}.pickle.pbz2")
        records[index] = {"less": record["12"], "full": record["200"]}
    names = unpickled(sample / "meta.pickle.pbz2")["meta_archs"]
    content = {"meta_archs": names, "arch2infos": records, "evaluated_indexes": set(INDICES)}
    path = tmp_path_factory.mktemp("pth") / "NAS-Bench-201-v1_1-096897.pth"
    torch.save(content, path)
    return path


def compare(table: pd.DataFrame, known: pd.DataFrame) -> None:
    """Every known accuracy, and no other, is in the table; the means are those of the seeds."""
    rows = table.set_index("architecture")
    assert table["index"].tolist() == list(INDICES)
    for row in known.itertuples():
        name = column(row.dataset, row.split, int(row.hp), int(row.seed)).name
        assert rows.loc[row.arch_str, name] == pytest.approx(row.acc_top1, abs=1e-5)
        assert rows.attrs["columns"][name]["seed"] == row.seed
    singles = [name for name in rows if "_seed" in str(name)]
    assert int(rows[singles].notna().to_numpy().sum()) == len(known) == 165
    for (arch, dataset, split, hp), seeds in known.groupby(["arch_str", "dataset", "split", "hp"]):
        mean = rows.loc[arch, column(dataset, split, int(hp)).name]
        assert mean == pytest.approx(seeds.acc_top1.mean(), abs=1e-5)


def test_nats_folder(sample: Path, known: pd.DataFrame) -> None:
    seen: list[tuple[int, int]] = []
    table = official.nats(
        sample, trust=True, progress=lambda done, total: seen.append((done, total))
    )
    compare(table, known)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert table.attrs["columns"]["cifar10_test_200"]["source"] == sample.name


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_nats_tar(sample: Path, known: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    tar = tmp_path / f"NATS-tss-v1_0-3ffb9-simple{suffix}"
    with tarfile.open(tar, "w:gz" if suffix.endswith("gz") else "w") as archive:
        archive.add(sample, arcname=sample.name)
    compare(import_file(tar, trust=True).frame, known)


def test_a_tar_writes_only_the_benchmarks_files(sample: Path, tmp_path: Path) -> None:
    tar = tmp_path / "evil.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(sample / "meta.pickle.pbz2", arcname="../../meta.pickle.pbz2")
        archive.add(sample / "meta.pickle.pbz2", arcname="../../other.txt")
        link = tarfile.TarInfo("000000.pickle.pbz2")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    folder = tmp_path / "below" / "here"
    folder.mkdir(parents=True)
    official._unpack(tar, folder)
    assert [p.name for p in folder.iterdir()] == ["meta.pickle.pbz2"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["below", "evil.tar"]


def test_nats_needs_trust(sample: Path) -> None:
    with pytest.raises(InputError, match=r"run any code .* --trust-pickle"):
        official.nats(sample)


def test_the_size_space_is_refused(sample: Path, tmp_path: Path) -> None:
    size = sample.parent / "NATS-sss-v1_0-50262-simple"
    with pytest.raises(DataError, match="size space"):
        official.nats(size)
    renamed = tmp_path / "renamed"
    shutil.copytree(size, renamed)
    with pytest.raises(DataError, match="size space"):
        official.nats(renamed, trust=True)


def test_damaged_nats_folders(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file or folder"):
        official.nats(tmp_path / "absent", trust=True)
    for trust in (True, False):
        with pytest.raises(DataError, match=r"no meta\.pickle\.pbz2"):
            official.nats(tmp_path, trust=trust)
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(sample / "000011.pickle.pbz2", arcname="000011.pickle.pbz2")
    (tmp_path / "tiny.tar").write_bytes(b"ab")
    for name, told in (("other.tar", r"no meta\.pickle\.pbz2"), ("tiny.tar", "not a whole tar")):
        with pytest.raises(DataError, match=told) as refused:
            official.nats(tmp_path / name)
        assert "\n" not in str(refused.value)
    folder = tmp_path / "nats"
    shutil.copytree(sample, folder)
    os.chmod(folder, 0o755)
    for name in ("000011.pickle.pbz2", "meta.pickle.pbz2"):
        whole = (folder / name).read_bytes()
        os.chmod(folder / name, 0o644)
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match="damaged") as caught:
            official.nats(folder, trust=True)
        assert "\n" not in str(caught.value)


def test_pth(pth: Path, known: pd.DataFrame) -> None:
    table = import_file(pth).frame
    compare(table, known)
    assert table.attrs["columns"]["cifar10_test_200"]["source"] == pth.name


def test_pth_in_chunks(pth: Path, known: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "_CHUNK", 2)
    seen: list[tuple[int, int]] = []
    table = official.nasbench201(pth, progress=lambda done, total: seen.append((done, total)))
    compare(table, known)
    assert seen == [(2, 3), (3, 3)]


def test_pth_in_the_format_of_2020_with_numpy_numbers(
    pth: Path, known: pd.DataFrame, tmp_path: Path
) -> None:
    content = torch.load(pth, weights_only=False)
    for record in content["arch2infos"].values():
        for results in record["full"]["all_results"].values():
            accuracies = results["train_acc1es"]
            results["train_acc1es"] = {k: np.float64(v) for k, v in accuracies.items()}
    old = tmp_path / "old.pth"
    torch.save(content, old, _use_new_zipfile_serialization=False)
    compare(official.nasbench201(old), known)


class Harmful:
    """Unpickled without care, it would create a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pth_cannot_run_code_unless_trusted(tmp_path: Path, zipped: bool) -> None:
    path, made = tmp_path / "x.pth", tmp_path / "made"
    torch.save({"meta_archs": Harmful(made)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"mkdir.*--trust-pickle") as caught:
        official.nasbench201(path)
    assert "\n" not in str(caught.value)
    assert not made.exists()
    with pytest.raises(DataError, match="lacks"):
        official.nasbench201(path, trust=True)
    assert made.exists()


def test_the_admitted_types_are_not_left_behind(pth: Path) -> None:
    before = set(map(str, torch.serialization.get_safe_globals()))
    official.nasbench201(pth)
    assert set(map(str, torch.serialization.get_safe_globals())) == before


def test_damaged_pth(pth: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        official.nasbench201(tmp_path / "absent.pth")
    cut = tmp_path / "cut.pth"
    cut.write_bytes(pth.read_bytes()[:100_000])
    text = tmp_path / "text.pth"
    text.write_text("<html>")
    other = tmp_path / "other.pth"
    torch.save({"weights": torch.zeros(3)}, other)
    broken = tmp_path / "broken.pth"
    torch.save({"meta_archs": ["|"], "arch2infos": {0: {}}, "evaluated_indexes": [0]}, broken)
    with pytest.raises(DataError, match=r"no \.pth file of torch"):
        official.nasbench201(text)
    for path in (cut, text, other, broken):
        with pytest.raises(DataError) as caught:
            official.nasbench201(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_import_file_knows_kinds(tmp_path: Path, pth: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="cannot tell what"):
        import_file(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="no file or folder"):
        import_file(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="no CSV file"):
        import_file(pth, architecture="a")
    with pytest.raises(InputError, match="not digits201"):
        import_file(pth, space="digits201")
