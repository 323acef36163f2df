"""scikit-learn's KMeans, on smalti's search. It needs scikit-learn, the extra `sklearn`.

    X (n, d) -> [KMeans.fit: Rows -> seeds -> lloyd] -> cluster_centers_, labels_

    from smalti.sklearn import KMeans

    KMeans(n_clusters=16, random_state=0).fit(pixels)

Parameters, attributes and what they mean are scikit-learn's. The work is done in `rows.py`;
here are only the manners of an estimator.
"""

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import MissingExtra
from .rows import Fitted, Rows, lloyd, make_seeds, nearest, nearest_of
from .settings import Settings

try:  # An estimator is a subclass of scikit-learn's classes: there is no later than this.
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        ClusterMixin,
        TransformerMixin,
        _fit_context,
    )
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics.pairwise import euclidean_distances
    from sklearn.utils import check_random_state
    from sklearn.utils._param_validation import Interval, StrOptions
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_array,
        check_is_fitted,
        validate_data,
    )
except ImportError as error:
    raise MissingExtra(
        "smalti.sklearn needs scikit-learn 1.6 or newer: pip install '.[sklearn]'"
    ) from error

__all__ = ["KMeans"]

Matrix = NDArray[np.floating]


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """k-means clustering, as scikit-learn's `KMeans` but sooner at a lower inertia on pixels.

    Parameters
    ----------
    n_clusters : int >= 1
    init : "splitting", "k-means++", "random", an array (n_clusters, n_features), or a callable
        Where to start. "splitting" cuts the data along its principal axes, and a search of the
        kind that palettes come from follows, in at most three dimensions. A callable gets X,
        n_clusters and random_state.
    n_init : "auto" or int >= 1
        Runs, of which the lowest inertia is kept. "auto" is 10 for "random" and callables, else
        1. Runs of "splitting" after the first start from "k-means++".
    max_iter : int >= 1
        Iterations of Lloyd's algorithm in a run; those of the search are not counted.
    tol : float >= 0
        Stop once the squared shifts of the centers add up to at most this, times the mean
        variance of the features.
    verbose : int
        Above 0, print what each run ended with.
    random_state : int, RandomState or None
        The same int and data give the same result. None is 0 for "splitting".
    copy_x, algorithm : accepted, so that no call needs to be changed, and ignored

    Attributes
    ----------
    cluster_centers_ : (n_clusters, n_features), float64, or float32 if X is
    labels_ : (n_samples,) int32, what `predict` says of the samples
    inertia_ : float, sum of squared distances to the nearest center, by sample weight
    n_iter_ : int
    n_features_in_, feature_names_in_ : of X

    Notes
    -----
    Equal samples are merged and their weights added; distances are computed in float64. With fewer
    distinct samples than clusters, the first center is there several times, and a
    ConvergenceWarning says so. Sparse matrices are refused.

    >>> pixels = np.array([[0, 0, 9], [0, 0, 7], [250, 1, 0], [252, 1, 0]])
    >>> kmeans = KMeans(n_clusters=2).fit(pixels)
    >>> kmeans.cluster_centers_[kmeans.labels_].tolist()
    [[0.0, 0.0, 8.0], [0.0, 0.0, 8.0], [251.0, 1.0, 0.0], [251.0, 1.0, 0.0]]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"splitting", "k-means++", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd", "elkan"})],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: str | ArrayLike | Callable[..., ArrayLike] = "splitting",
        n_init: int | Literal["auto"] = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> "KMeans":
        """Find the centers of X, (n_samples, n_features); `y` is ignored."""
        samples: Matrix = validate_data(self, X, dtype=[np.float64, np.float32])
        if len(samples) < self.n_clusters:
            raise ValueError(f"n_samples={len(samples)} should be >= n_clusters={self.n_clusters}.")
        threads = Settings.of(1).threads
        rows = Rows.of(samples, _weights(sample_weight, samples), threads)
        best = self._best_run(rows, samples, threads)
        self.n_iter_ = best.iterations
        self.cluster_centers_ = best.centroids.astype(samples.dtype)
        self._n_features_out = self.n_clusters
        self._set_labels(rows, samples, threads)
        return self

    def _best_run(self, rows: Rows, X: Matrix, threads: int) -> Fitted:
        if rows.size <= self.n_clusters and isinstance(self.init, str):
            extra = np.zeros(self.n_clusters - rows.size, np.int64)
            return Fitted(rows.at(np.append(np.arange(rows.size), extra)), 0.0, 1)
        steady = isinstance(self.init, str) and self.init == "splitting"
        random = check_random_state(
            0 if steady and self.random_state is None else self.random_state
        )
        tol = self.tol * rows.variance()
        best = None
        for run in range(self._runs()):
            start = self._start(run, rows, X, random, threads)
            found = lloyd(rows, start, max_iter=self.max_iter, tol=tol, threads=threads)
            if self.verbose:
                print(f"run {run + 1}: inertia {found.inertia:g}, {found.iterations} iterations")
            if best is None or found.inertia < best.inertia:
                best = found
        assert best is not None  # there is always a run
        return best

    def _runs(self) -> int:
        several = callable(self.init) or (isinstance(self.init, str) and self.init == "random")
        if self.n_init == "auto":
            return 10 if several else 1
        if several or isinstance(self.init, str) or self.n_init == 1:
            return int(self.n_init)
        warnings.warn(
            f"centers are given, so there is one run instead of n_init={self.n_init}",
            RuntimeWarning,
            stacklevel=4,
        )
        return 1

    def _start(
        self, run: int, rows: Rows, X: Matrix, random: np.random.RandomState, threads: int
    ) -> NDArray[np.float64]:
        if isinstance(self.init, str):
            init = "k-means++" if run and self.init == "splitting" else self.init
            return make_seeds(rows, self.n_clusters, init, random, threads)
        given: Any = self.init
        if callable(given):
            given = given(X, self.n_clusters, random_state=random)
        centers: NDArray[np.float64] = check_array(given, dtype=np.float64, order="C")
        if centers.shape != (self.n_clusters, X.shape[1]):
            raise ValueError(
                f"init must have shape {(self.n_clusters, X.shape[1])}, got {centers.shape}"
            )
        return centers

    def _set_labels(self, rows: Rows, X: Matrix, threads: int) -> None:
        labels, d2 = nearest(rows.columns, self.cluster_centers_, threads)
        self.inertia_ = float((rows.weights * d2).sum())
        self.labels_ = labels.astype(np.int32)[rows.back]
        weightless = np.flatnonzero(rows.back < 0)
        if len(weightless):
            self.labels_[weightless] = self._nearest(X[weightless], threads)[0]
        distinct = len(np.unique(labels))
        if distinct < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({distinct}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _nearest(
        self, X: Matrix, threads: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return nearest_of(X, self.cluster_centers_, threads or Settings.of(1).threads)

    def _checked(self, X: ArrayLike) -> Matrix:
        check_is_fitted(self)
        checked: Matrix = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return checked

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the number of the nearest center for each row of X: (n_samples,) int32."""
        return self._nearest(self._checked(X))[0].astype(np.int32)

    def fit_predict(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.int32]:
        """Return `fit(X).labels_`."""
        labels: NDArray[np.int32] = self.fit(X, sample_weight=sample_weight).labels_
        return labels

    def transform(self, X: ArrayLike) -> Matrix:
        """Return the distance of each row of X to each center: (n_samples, n_clusters)."""
        distances: Matrix = euclidean_distances(self._checked(X), self.cluster_centers_)
        return distances

    def fit_transform(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> Matrix:
        """Return `fit(X).transform(X)`."""
        distances: Matrix = self.fit(X, sample_weight=sample_weight).transform(X)
        return distances

    def score(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Return minus the inertia of X."""
        samples = self._checked(X)
        return -float((self._nearest(samples)[1] * _weights(sample_weight, samples)).sum())


def _weights(sample_weight: ArrayLike | None, X: Matrix) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():  # newer versions of scikit-learn have said so already
        raise ValueError("sample_weight must be above zero for some sample")
    return weights
