"""Which operations an architecture chooses, and how often, read from its string."""

from __future__ import annotations

from zcproxy.spaces.nasbench201 import EDGES, OPERATIONS, parse

__all__ = ["chosen_operations", "operation_counts"]


def operation_counts(architecture: str) -> dict[str, int]:
    """How many of the six edges carry each operation, as `n_skip`, `n_conv3x3`, ...

    All edges count, dead ones too: the numbers are of the string, as `params` and `flops` are.

    >>> operation_counts("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")["n_skip"]
    1

    Raises InputError for text that is no architecture of these spaces.
    """
    chosen = parse(architecture.strip())
    return {f"n_{ours}": chosen.count(name) for name, ours in OPERATIONS.items()}


def chosen_operations(architecture: str) -> dict[str, int]:
    """1 for the operation that an edge carries, 0 for the others: `edge_0_1_skip`, ...

    Thirty numbers, five for each of six edges, dead ones too.

    >>> text = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    >>> [name for name, one in chosen_operations(text).items() if one][3]
    'edge_0_3_skip'

    Raises InputError for text that is no architecture of these spaces.
    """
    return {
        f"edge_{source}_{target}_{ours}": int(name == carried)
        for (source, target), carried in zip(EDGES, parse(architecture.strip()), strict=True)
        for name, ours in OPERATIONS.items()
    }
