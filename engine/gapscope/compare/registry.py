"""Every number of a comparison, described once: the page, the console, `diff` and docs/comparison.md read it here."""

from dataclasses import dataclass
from typing import Literal, Protocol

Format = Literal["count", "percent", "number"]
Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number of one level and ordered pair of datasets.

    Attributes:
        name: its key in metrics.json.
        label: what people read.
        help: one sentence on what it is.
        format: how it is written: a count, a share in percent, or a number.
        better: whether a lower or a higher value means a smaller gap; `neither` where it says nothing of the gap.
        measure: whether it stands under `measures` with interval, floor and ratio, not beside the counts.
        floor: for a number that is no measure, the key of its value where the datasets do not differ.
        interval: how its 95% interval is made; empty if it has none.
        noise_floor: how its noise floor is made; empty if it has none.
        source: where the definition comes from.
    """

    name: str
    label: str
    help: str
    format: Format
    better: Better
    measure: bool = False
    floor: str = ""
    interval: str = ""
    noise_floor: str = ""
    source: str

    def format_value(self, value: float) -> str:
        """Return a value as text.

        Example:
            >>> METRICS["share_outside"].format_value(0.1234)
            '12%'
        """
        return format_number(value, self.format)


class Formatted(Protocol):
    """A number that knows how its values are written."""

    def format_value(self, value: float) -> str:
        """Return a value as text."""


def format_number(value: float, how: Format) -> str:
    """Return a number as text: a count, a share in whole percent, or three digits.

    Example:
        >>> [format_number(1234.5, how) for how in ("count", "number")], format_number(0.1234, "percent")
        (['1,234', '1.23e+03'], '12%')
    """
    if how == "percent":
        return format_share(value)
    return f"{value:,.0f}" if how == "count" else f"{value:.3g}"


def format_interval(number: Formatted, interval: tuple[float, float, float]) -> str:
    """Return a number with its interval as text.

    Example:
        >>> format_interval(METRICS["share_outside"], (0.25, 0.2, 0.3))
        '25% [20%, 30%]'
    """
    value, low, high = map(number.format_value, interval)
    return f"{value} [{low}, {high}]"


def format_share(share: float) -> str:
    """Return a share in whole percent, the same everywhere; what is not quite nothing or all is said to be so.

    Example:
        >>> [format_share(share) for share in (0.0, 0.003, 0.876, 0.997, 1.0)]
        ['0%', '<1%', '88%', '>99%', '100%']
    """
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{share:.0%}"


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            name="images",
            label="images",
            help="Query images that were read and compared",
            format="count",
            better="neither",
            source="counted",
        ),
        Metric(
            name="groups",
            label="groups",
            help="Groups of images that belong together, which p-values and intervals count; an image each by default",
            format="count",
            better="neither",
            source="counted",
        ),
        Metric(
            name="outliers",
            label="outliers",
            help="Query images that the outlier list holds",
            format="count",
            better="lower",
            source="conformal and neighbor tests, Benjamini and Hochberg (1995)",
        ),
        Metric(
            name="outlier_groups",
            label="outlier groups",
            help="Groups that the outlier list holds",
            format="count",
            better="lower",
            source="as outliers",
        ),
        Metric(
            name="outlier_share",
            label="outlier share",
            help="Share of the query's groups that are listed, each image being one by default",
            format="percent",
            better="lower",
            source="outlier_groups / groups",
        ),
        Metric(
            name="outside",
            label="outside",
            help="Outliers unlike anything in the reference",
            format="count",
            better="lower",
            source="conformal p-values, Bates et al. (2023)",
        ),
        Metric(
            name="under_represented",
            label="under-represented",
            help="Outliers of a kind that the reference has too few of",
            format="count",
            better="lower",
            source="nearest-neighbor test of one image, after Schilling (1986)",
        ),
        Metric(
            name="share_outside",
            label="share not like the reference",
            help="Estimated share of query images that are not like the reference, listed one by one or not (Storey)",
            format="percent",
            better="lower",
            interval="sign test and Clopper and Pearson (1934)",
            source="1 - pi0, Storey (2002)",
        ),
        Metric(
            name="coverage",
            label="coverage",
            help="Share of reference images that have a query image as near as their own neighbors",
            format="percent",
            better="higher",
            measure=True,
            interval="bootstrap",
            noise_floor="exact: 1 - C(n_B - 1, k) / C(n_A + n_B - 1, k)",
            source="Naeem et al. (2020)",
        ),
        Metric(
            name="reference_neighbors",
            label="reference among neighbors",
            help="Mean share of the reference among a query image's 30 nearest, over groups",
            format="percent",
            better="higher",
            floor="reference_neighbors_expected",
            noise_floor="`reference_neighbors_expected`",
            source="Schilling (1986)",
        ),
        Metric(
            name="reference_neighbors_expected",
            label="expected if alike",
            help="Share of the reference among the 30 nearest that is expected if the two datasets do not differ",
            format="percent",
            better="neither",
            source="n_B / (n_A + n_B - 1)",
        ),
        Metric(
            name="gap",
            label="gap",
            help="Share of the reference that is missing among a query image's 30 nearest: 0 if alike, 100% if none is",
            format="percent",
            better="lower",
            source="1 - reference_neighbors / reference_neighbors_expected, at least 0",
        ),
        Metric(
            name="reference_images",
            label="reference images",
            help="Reference images that were read and compared",
            format="count",
            better="neither",
            source="counted",
        ),
        Metric(
            name="reference_groups",
            label="reference groups",
            help="Groups of the reference's images",
            format="count",
            better="neither",
            source="counted",
        ),
        Metric(
            name="frechet",
            label="Fréchet distance",
            help="Distance of the two sets' means and covariances; 0 if alike",
            format="number",
            better="lower",
            measure=True,
            interval="delete-a-group jackknife, 8 groups",
            noise_floor="between two parts of the reference",
            source="Dowson and Landau (1982); FID, Heusel et al. (2017)",
        ),
        Metric(
            name="kid",
            label="Kernel distance (KID)",
            help="Distance of the two distributions; 0 if alike",
            format="number",
            better="lower",
            measure=True,
            interval="bootstrap, 200 resamples",
            noise_floor="root mean square between two parts of the reference, 16 splits",
            source="Gretton et al. (2012); Binkowski et al. (2018)",
        ),
        Metric(
            name="precision",
            label="Precision",
            help="Share of query images that lie among the reference's",
            format="percent",
            better="higher",
            measure=True,
            interval="bootstrap",
            noise_floor="between halves of the reference",
            source="Kynkaanniemi et al. (2019)",
        ),
        Metric(
            name="recall",
            label="Recall",
            help="Share of reference images that lie among the query's",
            format="percent",
            better="higher",
            measure=True,
            interval="bootstrap",
            noise_floor="between halves of the reference",
            source="Kynkaanniemi et al. (2019)",
        ),
        Metric(
            name="density",
            label="Density",
            help="How crowded the reference is around query images; 1 if alike",
            format="number",
            better="higher",
            measure=True,
            interval="bootstrap",
            noise_floor="1, exactly",
            source="Naeem et al. (2020)",
        ),
        Metric(
            name="two_sample",
            label="Neighbor test",
            help="Share of an image's nearest that are of its own dataset",
            format="percent",
            better="lower",
            measure=True,
            interval="bootstrap",
            noise_floor="exact: its expectation by chance; p from 999 permutations",
            source="Schilling (1986); Henze (1988)",
        ),
    )
}
"""Metrics by name, in the order in which tables show them."""
