"""Tables as plain data for machines, every number with all its digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["records"]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict per row; what is missing is None. Unlike pandas' own JSON, nothing is rounded."""
    from zcproxy.numerals import missing

    return [
        {str(name): None if missing(value) else plain(value) for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def plain(value: Any) -> Any:
    """A numpy scalar as a Python number, anything else as it is."""
    return value.item() if hasattr(value, "item") else value
