"""Attention as paths see it: every output depends on queries, keys and values, positively."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["multi_head_attention", "scaled_dot_product_attention", "spread"]

Live = Callable[[Tensor], Tensor]


def spread(x: Tensor, dim: int = -1) -> Tensor:
    """In place of a softmax: positive without any input, and dependent on all along `dim`."""
    return (1 + x.sum(dim, keepdim=True)).expand_as(x)


def scaled_dot_product_attention(
    live: Live,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention on (..., L, E), (..., S, E), (..., S, V); what is masked out has no path."""
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(groups, -3) for x in (key, value))
    scores = live(query) @ live(key).transpose(-2, -1)
    allowed = _allowed(scores, attn_mask, is_causal)
    return live((spread(live(scores) * allowed) * allowed) @ live(value))


def _allowed(scores: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """1 where a query may look at a key, else 0; a mask's additive form has -inf there."""
    allowed = torch.ones(scores.shape[-2:], dtype=scores.dtype, device=scores.device)
    if causal:
        allowed = allowed.tril()
    if mask is not None:
        open_ = mask if mask.dtype == torch.bool else ~torch.isneginf(mask)
        return allowed * open_.to(scores.dtype)
    return allowed


def multi_head_attention(
    live: Live,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    *_: Any,
    is_causal: bool = False,
    **__: Any,
) -> tuple[Tensor, None]:
    """`F.multi_head_attention_forward` on (L, N, E) or (L, E), without biases and weights.

    Padding masks are left out: they are no part of the network. A mask of positions is the last
    two axes of `attn_mask`, where True or -inf means closed.
    """
    packed = in_proj_weight
    if packed is not None and not use_separate_proj_weight:
        projections: Any = packed.chunk(3)
    else:
        projections = (q_proj_weight, k_proj_weight, v_proj_weight)
    heads = [
        _heads(live(F.linear(live(x), w)), num_heads)
        for x, w in zip((query, key, value), projections, strict=True)
    ]
    opened = None
    if attn_mask is not None:
        closed = attn_mask if attn_mask.dtype == torch.bool else torch.isneginf(attn_mask)
        opened = ~(closed if closed.dim() == 2 else closed.all(0))
    q, k, v = heads
    mixed = scaled_dot_product_attention(live, q, k, v, attn_mask=opened)
    joined = (
        mixed.movedim(-2, 0).flatten(-2) if query.dim() == 3 else mixed.movedim(0, 1).flatten(1)
    )
    return live(F.linear(live(joined), out_proj_weight)), None


def _heads(x: Tensor, heads: int) -> Tensor:
    """(L, N, E) to (N, heads, L, E / heads), or (L, E) to (heads, L, E / heads)."""
    return x.reshape(*x.shape[:-1], heads, -1).movedim(0, -2)
