"""Vectors or texts -> how varied. `MEASURES` is the map of the room: one row a measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.diversity.compare import Comparison, compare
from assay.diversity.correlate import Correlation, correlate, novelsum_grid
from assay.diversity.coverage import facility_location
from assay.diversity.distances import distsum_cosine, distsum_l2, knn_distance, radius
from assay.diversity.lexical import ttr, vocd_d
from assay.diversity.novelsum import novelsum, novelty
from assay.diversity.partition import cluster_inertia, partition_entropy
from assay.diversity.spectrum import log_determinant, vendi_score
from assay.diversity.together import Measurement, together

__all__ = [
    "MEASURES",
    "Comparison",
    "Correlation",
    "Measure",
    "Measurement",
    "cluster_inertia",
    "compare",
    "correlate",
    "distsum_cosine",
    "distsum_l2",
    "facility_location",
    "knn_distance",
    "log_determinant",
    "novelsum",
    "novelsum_grid",
    "novelty",
    "partition_entropy",
    "radius",
    "together",
    "ttr",
    "vendi_score",
    "vocd_d",
]


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of `MEASURES`.

    `takes` is "vectors" or "texts". `reference` is "none", "optional" or "required". `direction` is what a higher
    value means. `size` says how the value moves with the number of samples alone.
    """

    function: Callable[..., float]
    summary: str
    takes: str
    reference: str
    direction: str
    size: str
    cost: str
    source: str

    @property
    def moves_with_size(self) -> bool:
        """Whether the value moves with the number of samples alone, so that only equal sizes compare."""
        return not self.size.startswith(("hardly", "none"))


MEASURES = {
    "novelsum": Measure(
        function=novelsum,
        summary="distances to the other samples, the nearest weighted most, times the density of the reference",
        takes="vectors",
        reference="optional",
        direction="higher is more diverse",
        size="falls with n (official), grows with n (paper)",
        cost="2 n N d for the density, 2 n^2 d for the distances",
        source="Yang et al., ACL 2025, arXiv 2502.17184",
    ),
    "distsum_cosine": Measure(
        function=distsum_cosine,
        summary="mean cosine distance between two samples",
        takes="vectors",
        reference="none",
        direction="higher is more diverse",
        size="hardly any (means), grows with n^2 (sums)",
        cost="n d",
        source="Yu et al. 2022",
    ),
    "distsum_l2": Measure(
        function=distsum_l2,
        summary="mean Euclidean distance between two samples",
        takes="vectors",
        reference="none",
        direction="higher is more diverse",
        size="hardly any (means), grows with n^2 (sums)",
        cost="2 n^2 d",
        source="Yu et al. 2022",
    ),
    "knn_distance": Measure(
        function=knn_distance,
        summary="mean distance from a sample to its nearest other sample",
        takes="vectors",
        reference="none",
        direction="higher is more diverse",
        size="falls with n",
        cost="2 n^2 d",
        source="Stasaski et al. 2020; Stasaski & Hearst 2022 (unverified)",
    ),
    "radius": Measure(
        function=radius,
        summary="geometric mean of the standard deviations of the dimensions",
        takes="vectors",
        reference="none",
        direction="higher is more diverse",
        size="hardly any",
        cost="n d",
        source="Lai et al., LREC 2020, arXiv 2003.08529",
    ),
    "cluster_inertia": Measure(
        function=cluster_inertia,
        summary="squared distance of the samples to their K-means centroids",
        takes="vectors",
        reference="none",
        direction="higher is more diverse",
        size="grows with n (sum)",
        cost="2 n K d an iteration",
        source="Du & Black 2019",
    ),
    "log_determinant": Measure(
        function=log_determinant,
        summary="log determinant of the similarities plus a ridge, which decides the value when n > d",
        takes="vectors",
        reference="none",
        direction="higher is more diverse",
        size="moves strongly with n",
        cost="2 n d^2 + d^3",
        source="Wang et al. 2024, arXiv 2402.02318",
    ),
    "vendi_score": Measure(
        function=vendi_score,
        summary="effective number of different samples: entropy of the spectrum of similarities",
        takes="vectors",
        reference="none",
        direction="higher is more diverse",
        size="grows with n",
        cost="2 n d^2 + d^3",
        source="Friedman & Dieng, TMLR 2023, arXiv 2210.02410",
    ),
    "facility_location": Measure(
        function=facility_location,
        summary="how near each row of the reference is to its nearest sample",
        takes="vectors",
        reference="required",
        direction="higher is more diverse (coverage), lower (cost)",
        size="grows with n",
        cost="2 n N d",
        source="Farahani & Hekmatfar 2009; Bukharin et al. 2024, arXiv 2311.14736",
    ),
    "partition_entropy": Measure(
        function=partition_entropy,
        summary="entropy of the shares of samples in the K-means cells of the reference",
        takes="vectors",
        reference="required",
        direction="higher is more diverse",
        size="at most log n",
        cost="2 N K d an iteration",
        source="Han et al. 2022, arXiv 2210.05725 (unverified)",
    ),
    "ttr": Measure(
        function=ttr,
        summary="expected share of different words among 30 drawn from a text",
        takes="texts",
        reference="none",
        direction="higher is more diverse",
        size="none (sample), grows with n (corpus)",
        cost="words",
        source="Richards 1987",
    ),
    "vocd_d": Measure(
        function=vocd_d,
        summary="vocabulary diversity D fitted to how the share of different words falls with length",
        takes="texts",
        reference="none",
        direction="higher is more diverse",
        size="none",
        cost="16 x types of a text",
        source="Malvern et al. 2004; McCarthy & Jarvis 2010",
    ),
}
