"""What, besides the architecture, fixes a score: the identity of a run. No torch needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields

from zcproxy.errors import StoreError

__all__ = ["Configuration"]


@dataclass(frozen=True)
class Configuration:
    """Everything a score depends on besides architecture, proxy and versions of software.

    Which proxies and architectures are asked for, and how many processes work, is no part of it:
    a later run adds to the same store. `key` names the configuration. A field added in the future
    gets the default that means "as before" and then changes no key.

    Attributes:
        space: name of the search space.
        dataset: name of the data set.
        batch_sha256: hash of the batch, inputs and targets.
        shape: shape of one image, (channels, height, width).
        classes: number of classes of the data set.
        batch_size: images in the batch.
        batch_seed: which batch of the data set.
        seed: seed of the initial weights and of whatever a measure draws.
        protocol: name of the protocol.
        protocol_revision: which definition of that name, see `zcproxy.protocols.Protocol`.
    """

    space: str
    dataset: str
    batch_sha256: str
    shape: tuple[int, ...]
    classes: int
    batch_size: int = 64
    batch_seed: int = 0
    seed: int = 0
    protocol: str = "clean"
    protocol_revision: int = 1

    @property
    def key(self) -> str:
        """SHA-256 (64 hexadecimal digits) of the fields, leaving out those at their default."""
        named = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.default is MISSING or getattr(self, field.name) != field.default
        }
        text = json.dumps(named, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """All fields, for JSON; `protocol_revision` only of a protocol whose definition changed.

        So files of all others are those of versions that did not know it.
        """
        told = {**asdict(self), "shape": list(self.shape)}
        if self.protocol_revision == 1:
            del told["protocol_revision"]
        return told

    @classmethod
    def defaults(cls) -> dict[str, object]:
        """The values of fields that a dictionary may leave out."""
        return {f.name: f.default for f in fields(cls) if f.default is not MISSING}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Configuration:
        """The configuration that `to_dict` wrote, by this version or an earlier one.

        Raises: StoreError if a field is missing, or is unknown to this version.
        """
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise StoreError(f"a newer zcproxy wrote the settings {', '.join(unknown)}; upgrade")
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if missing := sorted(needed - values.keys()):
            raise StoreError(f"the settings lack {', '.join(missing)}")
        shape = values["shape"]
        if not isinstance(shape, list | tuple):
            raise StoreError(f"the image shape in the settings is {shape!r}, not a list")
        return cls(**{**values, "shape": tuple(shape)})  # type: ignore[arg-type]

    def differences(self, other: Configuration) -> list[str]:
        """One text `field: ours, not theirs` for every field in which `other` differs."""
        pairs = [(f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return [f"{name}: {ours}, not {theirs}" for name, ours, theirs in pairs if ours != theirs]
