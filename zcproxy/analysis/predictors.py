"""Small models that learn to rank from a few labels, with nothing to tune by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np

from zcproxy.analysis.ranks import Floats

__all__ = ["MODELS", "PENALTIES", "gaussian_process", "ridge"]

PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-8, 7))
"""Penalties that ridge regression chooses from: half decades from 1e-4 to 1e3."""


def ridge(known: Floats, targets: Floats, asked: Floats) -> Floats:
    """Linear regression with the penalty that leaving out one label at a time finds best.

    Minimizes |y - b - X w|^2 + a |w|^2, a of `PENALTIES` with the least squared error of the n fits
    that each leave out one label. `known` (n, d) float64 are the features of the labeled ones,
    `targets` (n,) their labels, `asked` (m, d) the features predicted from; returns (m,).

    Source: Hoerl and Kennard 1970; leave-one-out of scikit-learn's RidgeCV.
    """
    from sklearn.linear_model import RidgeCV

    fitted = RidgeCV(alphas=PENALTIES).fit(known, targets)
    return np.asarray(fitted.predict(asked), dtype=np.float64)


def gaussian_process(known: Floats, targets: Floats, asked: Floats) -> Floats:
    """Mean of a Gaussian process whose three parameters maximize the labels' likelihood.

    Covariance c M(r / l) + s [same row], M Matern's of smoothness 5/2, r the distance of features;
    c, l, s by the marginal likelihood from one fixed start, within c in [.01, 100], l in [.1, 100],
    s in [.001, 10] (labels standardized). Shapes as for `ridge`.

    Source: Rasmussen and Williams 2006, equations 2.25, 4.17 and 5.8, by scikit-learn.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    smooth = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(1.0, (1e-1, 1e2), nu=2.5)
    kernel = smooth + WhiteKernel(0.1, (1e-3, 1e1))
    model = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with warnings.catch_warnings():
        # a parameter at its bound is an answer, too: labels that hang on nothing, or no noise
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(known, targets)
    return np.asarray(model.predict(asked), dtype=np.float64)


MODELS: Mapping[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "ridge": ridge,
    "gaussian_process": gaussian_process,
}
