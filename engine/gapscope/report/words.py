"""What the page's terms mean: shown beside them on the page, and in docs/words.md."""

from dataclasses import dataclass
from typing import Literal

from gapscope.compare.registry import METRICS, Metric

See = Literal["Comparison", "Kinds", "Layout", "Sources", "README"]
"""The document that says more."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """A term and its definition.

    Attributes:
        id: names it; of a number, its name with dashes.
        term: as the page writes it.
        also: other words for the same thing.
        short: a full definition in one sentence of at most 180 characters.
        long: how to read it, what to do, and where a formula is from; two or three sentences.
        see: the document that says more.
    """

    id: str
    term: str
    also: tuple[str, ...] = ()
    short: str
    long: str
    see: See


def _word(identifier: str, see: See, short: str, long: str, *also: str, term: str = "") -> Word:
    return Word(id=identifier, term=term or identifier.replace("-", " "), also=also, short=short, long=long, see=see)


_TERMS = (
    _word(
        "level",
        "Comparison",
        "A scale at which the network looks at an image, from fine texture (P2) to the whole scene (P6).",
        "Each output of a feature pyramid network (Lin et al. 2017) is a level, with embeddings, a map, lists and "
        "numbers of its own. A gap at fine levels alone is mostly one of look: compare material, focus, noise and "
        "compression. A gap at coarse levels is one of content or arrangement.",
        "levels",
        "pyramid",
    ),
    _word(
        "stride",
        "Comparison",
        "Pixels of the network's square from one place of a level's map to the next: small at fine levels, large at "
        "coarse ones.",
        "A level of stride 4 has a place for every 4 pixels, one of stride 64 a place for every 64. Levels of equal "
        "stride, such as the blocks of a transformer, have no order of scale.",
        "strides",
    ),
    _word(
        "patch",
        "Comparison",
        "The part of a picture that one place of a level's map sees at once, about four strides wide.",
        "The page draws it at its true size. What is larger than the patch, the level does not see as one thing.",
        "patches",
    ),
    _word(
        "texture",
        "Kinds",
        "What the finest level sees, at stride 4: grain, noise, sharpness and small repeated shapes.",
        "A gap that shows here and not at coarser levels is one of material, focus, noise or compression. Compare "
        "such images with their counterparts at full size.",
        "fine texture",
    ),
    _word(
        "pattern",
        "Kinds",
        "What a level of stride 8 sees: arrangements of texture, such as fur, bricks or leaves.",
        "It lies between texture and parts. A gap here is often one of material and of how it repeats.",
    ),
    _word(
        "parts",
        "Kinds",
        "What a level of stride 16 sees: parts of things, such as a wheel, an eye or a window.",
        "A gap that begins here is one of content: the other dataset lacks such parts, or shows them in another shape.",
    ),
    _word(
        "objects",
        "Kinds",
        "What a level of stride 32 sees: whole things, such as a cat or a cup.",
        "A gap here is a kind of thing that the other dataset lacks or has too few of: add it.",
    ),
    _word(
        "scene",
        "Kinds",
        "What the coarsest level sees, at stride 64 and more: the whole picture, and what stands where.",
        "A gap here and not at fine levels is one of arrangement: compare layout, scale and camera.",
        "whole scene",
    ),
    _word(
        "embedding",
        "Comparison",
        "The vector that a level makes of an image; images that look alike to the level have embeddings near each "
        "other.",
        "Every dimension is standardized: the mean over all datasets is subtracted, and the result is divided by "
        "the standard deviation. All lists and numbers come from embeddings, and never from the map.",
        "embeddings",
    ),
    _word(
        "distance",
        "Comparison",
        "How unlike two images are at a level: by default the cosine distance of their standardized embeddings, 0 "
        "to 2.",
        "0 is a copy, and 1 is what two unrelated images have. Distances of different levels cannot be compared. "
        "With --metric euclidean it is the Euclidean distance.",
        "cosine distance",
    ),
    _word(
        "reading",
        "Comparison",
        "A way to compare two datasets: as it is, or style aside.",
        "Both readings use the same embeddings and the same map. They differ in what is listed, marked and nearest. "
        "Begin with style aside where nearly everything is listed as it is.",
        "readings",
    ),
    _word(
        "as-is",
        "Comparison",
        "The reading that compares images as they look: every difference counts, also of light, camera or file.",
        "Embeddings are standardized over all datasets together. Where all renders differ in look from all "
        "photographs, nearly every image is listed; then style aside says which content is missing beneath that.",
        term="as it is",
    ),
    _word(
        "style-aside",
        "Comparison",
        "The reading that takes each dataset's overall look out, and lists content that is missing beneath it.",
        "Each dataset is standardized by its own mean and standard deviation, so that what changes all of its "
        "images alike goes away. Each list says whether it is calibrated or a suggestion. It hides uniform "
        "differences: if all renders are too dark, only the reading as it is says so.",
    ),
    _word(
        "outlier",
        "Comparison",
        "An image that the reference has nothing like, or too little of, at a level.",
        "Two tests find outliers: outside and under-represented. An image is listed where its q is at most the "
        "false discovery rate. Look at the pictures before you act: an outlier may be wanted.",
        "listed",
    ),
    _word(
        "calibrated",
        "Comparison",
        "Said of a list style aside whose expected share of false entries is bounded by the false discovery rate.",
        "Nothing of the difference of look is left to measure. The bound holds if the looks differ by no more than "
        "the mean and the spread of every dimension.",
    ),
    _word(
        "suggested",
        "Comparison",
        "Listed style aside although some of the difference of look is left: worth a look, but nothing is promised.",
        "The list holds images that are farther from the reference than images of the reference are from the query. "
        "Look at its pictures; do not count its entries.",
        "suggestion",
        "a suggestion",
    ),
    _word(
        "ranking",
        "Comparison",
        "Images in the order in which they stand out, where none may be listed: the order is all that is promised.",
        "There is only a ranking where too few images are there to be sure of any, or where the look that remains "
        "hides what is missing. Read it from the top, and stop where nothing unusual is left.",
        "ranked",
    ),
    _word(
        "rank",
        "Comparison",
        "The place of an image in a list or ranking; 1 is the surest.",
        "The order is that of p, and where p is equal that of the outlier score.",
    ),
    _word(
        "p",
        "Comparison",
        "The chance that an image no different from the reference stands out at least this much.",
        "It is the smaller p-value of two tests, corrected for their number. Small values are sure ones, but among "
        "ten thousand images a hundred have p below 0.01 by chance: go by q. Conformal p-values: Bates et al. "
        "(2023).",
        "p-value",
    ),
    _word(
        "q",
        "Comparison",
        "The share of false entries to expect in a list that ends at this image; of a kind, the chance that none of "
        "it differs.",
        "It is p, corrected for the number of images that were tested (Benjamini and Hochberg 1995), and for a kind "
        "also for levels, directions and readings (Goeman et al. 2019). At q 0.01, expect one false entry in a "
        "hundred.",
        "q-value",
    ),
    _word(
        "false-discovery-rate",
        "Comparison",
        "The bound on the expected share of images in a list that are there by chance; 10% unless the run asked for "
        "another.",
        "Of a list of a hundred images at a rate of 10%, expect at most ten to be no outliers. It is the option "
        "--fdr: a smaller one gives shorter, surer lists (Benjamini and Hochberg 1995).",
        "FDR",
    ),
    _word(
        "outlier-score",
        "Comparison",
        "How far an image is from the reference: the distance to the k-th nearest reference image, averaged over "
        "the image and its like.",
        "Its like are its 15 nearest of its own dataset, so that a kind scores alike. A higher score stands out "
        "more. Scores of different levels, references and readings cannot be compared.",
        "score",
        "outside score",
    ),
    _word(
        "nearest-distance",
        "Comparison",
        "The distance from an image to the nearest image of the reference; 0 for a copy.",
        "A small one beside a high rank means that the reference has such an image, but too few of them.",
        "distance to the nearest",
    ),
    _word(
        "noise-floor",
        "Comparison",
        "What a number is where two datasets do not differ at all.",
        "Even two halves of one dataset have a distance above 0. Hold a number against its noise floor before it is "
        "taken for a difference. How each floor is made stands beside its number.",
    ),
    _word(
        "beyond-noise",
        "Comparison",
        "Said of a number that differs from its noise floor by more than its own uncertainty: the datasets do differ.",
        "A number within noise says nothing. One beyond it does not say by how much they differ: how many times the "
        "floor it is grows with the number of images. For that, see the gap and the shares.",
        "within noise",
    ),
    _word(
        "interval",
        "Comparison",
        "The range that holds the true value in 95 of 100 comparisons of this size.",
        "Two numbers whose intervals overlap widely may be equal. More images make intervals narrower. How each one "
        "is made stands beside its number.",
        "95% interval",
        "error bar",
        "confidence interval",
    ),
    _word(
        "map",
        "Layout",
        "A picture of a level in three dimensions: images whose embeddings are near each other lie near each other.",
        "Groups on it are real; distances between groups, their density and single outlying points are not. Use it "
        "to look, and go by lists and numbers. It is made by UMAP (McInnes, Healy and Melville 2018).",
        "layout",
    ),
    _word(
        "trustworthiness",
        "Layout",
        "How far neighbors on the map can be trusted to be neighbors by embedding; 1 if all of them are.",
        "It is 1 less a penalty for images that are near on the map and far by embedding (Venna and Kaski 2001). It "
        "is high for nearly every map of many images; neighbor recall is stricter.",
    ),
    _word(
        "neighbor-recall",
        "Layout",
        "The share of an image's 15 nearest by embedding that are among its 15 nearest on the map.",
        "Three dimensions hold a part of what hundreds do, so a good map is well below 100%. Where it is low, look "
        "at an image's nearest in the list beside it and not around it on the map.",
    ),
    _word(
        "kind",
        "Kinds",
        "A group of listed images that are alike: one thing that a dataset lacks, has too few of, or shows "
        "differently.",
        "Each card says which sort of gap it is, how sure that is, and what to do. Kinds come from all levels and "
        "readings together (Leiden's communities of nearest neighbors); q says how sure one is, and without it the "
        "kind is a suggestion.",
        "kinds",
    ),
    _word(
        "counterpart",
        "Kinds",
        "The image of the other dataset that is nearest to one of a kind.",
        "Compare the two pictures: what differs between them is what to change. Where even the nearest shows "
        "another thing, the other dataset lacks the kind.",
        "counterparts",
    ),
    _word(
        "cluster",
        "Layout",
        "Images that lie densely together on a level's map, found by HDBSCAN.",
        "A cluster of one dataset alone hints at a gap; the lists say whether it is one. Images between the "
        "clusters belong to none.",
        "clusters",
        "one-sided cluster",
    ),
    _word(
        "group",
        "Comparison",
        "Images that belong together, such as the frames of a clip, and count as one.",
        "Thirty frames of a scene say as much as one image of it. So p-values, shares and intervals count groups. "
        "The option --group says what belongs together.",
        "clip",
        "burst",
    ),
    _word(
        "pair",
        "Comparison",
        "Two datasets in order: a query, whose images are judged, and a reference, which they are held against.",
        "Both orders say different things: what real has and synthetic lacks, and what synthetic has and real lacks.",
        "pairs",
        "direction",
    ),
    _word(
        "query",
        "Comparison",
        "The dataset whose images are judged: each of them is held against the reference.",
        "Lists of a pair hold images of the query.",
    ),
    _word(
        "reference",
        "Comparison",
        "The dataset that images are held against: what it lacks is listed.",
        "To repair a gap, add to the reference what its list shows.",
    ),
    _word(
        "content",
        "Comparison",
        "How well a level sees the same things in both datasets whatever their look, 0% to 100%.",
        "A level that sees under 80% goes by color and texture across the two looks, and suggests nothing style "
        "aside. Trust the levels that see most.",
        "sees content",
    ),
    _word(
        "heat-map",
        "Kinds",
        "Colors over a picture that show where it is unlike the reference; without color a place is as usual.",
        "Red is the hottest place on the card. Unlike is not wrong: a rare thing that belongs there is hot too. How "
        "well a level points at planted squares is its AUC: 0.5 is chance, 1 is exact. After PatchCore (Roth et al. "
        "2022).",
        "heat maps",
    ),
    _word(
        "auc",
        "Comparison",
        "How well something tells two sets apart, as the area under the ROC curve: 0.5 is chance, 1 tells all apart.",
        "Where the files alone (size, compression, brightness) tell two datasets apart with 0.75 or more, the gap "
        "may be one of files. Make the files alike and compare again.",
        term="AUC",
    ),
    _word(
        "effect",
        "Comparison",
        "How much a property of the files differs: the chance that it is larger in the query, less the chance that "
        "it is smaller.",
        "It is Cliff's delta (1993): 0 means alike, and 1 or -1 that all files of one dataset exceed all of the "
        "other. Of formats it is the share of files that would have to change.",
        "Cliff's delta",
    ),
    _word(
        "class",
        "Comparison",
        "What an image or object is called: by its annotation, by a column, or by the name of its folder.",
        "Names are the same only where they are spelled alike. An image with several classes counts in each of them.",
        "classes",
        "label",
        "category",
    ),
    _word(
        "class-gap",
        "Comparison",
        "Of a class or value: how much of the reference is missing among the nearest of its images, 0 to 100%.",
        "It is the number gap over these images alone. At 0 the two datasets mix there, and at 100% no image of the "
        "reference lies near. It does not grow with the number of images, so classes compare.",
        term="gap of a class",
    ),
    _word(
        "nearest-class",
        "Comparison",
        "The class that most of a class's nearest images in the other dataset have, with its share.",
        "Where it is another class, the other dataset lacks this one, shows it differently, or names it differently.",
    ),
    _word(
        "probe",
        "Comparison",
        "A linear classifier on the network's frozen vectors, trained on one dataset and tested on the other.",
        "It says whether the classes lie in the same place in both datasets, and is no full training: a network that "
        "is trained on the images may do better or worse. Its accuracy is the mean over classes.",
        "linear probe",
        "accuracy",
    ),
    _word(
        "ceiling",
        "Comparison",
        "The accuracy of a probe that is trained on other images of the tested dataset itself, as many per class.",
        "No training on the other dataset can be expected to do better, so the share of it that is reached is what to "
        "read. By chance a probe is right in one of as many cases as there are classes.",
        "share of the ceiling",
    ),
    _word(
        "cause",
        "Comparison",
        "A column whose values go with the gap: images of some values lack their like in the other dataset.",
        "It is named where the values say more of the gap than chance would, corrected for all columns, levels and "
        "readings. It is no proof: what changes together with the column may be the reason.",
        "causes",
    ),
    _word(
        "column-effect",
        "Comparison",
        "How much of the gap's variance over the images goes with a column's values, beyond chance, 0 to 100%.",
        "At 0 the value says nothing of the gap; at 100% it says all. Small effects can be sure where there are many "
        "images: look at the gap by value to see what changes.",
        "effect size",
        term="effect of a column",
    ),
    _word(
        "wanted",
        "Comparison",
        "How the values of a column would be spread if the dataset were as the other one asks for it.",
        "Each image has an importance weight: how often it is among the nearest of the other dataset's images, beside "
        "how often it is among those of its own. A ratio of 3 means three times as many as today. What was never "
        "rendered has no weight, and shows as weight at the end of a range.",
        "importance weight",
        "importance weights",
        term="wanted values",
    ),
    _word(
        "value-range",
        "Sources",
        "Which values of an image with other than 8 bits are taken as black and white.",
        "It is settled once per dataset. Where it is wrong, all pictures come out too dark or too bright: set it by "
        "hand with --value-range.",
        "value ranges",
    ),
    _word(
        "rejected",
        "Sources",
        "An image that could not be read; it is in no list and in no number.",
        "The table says why each was rejected, and rejects.csv in the run names all of them. Many rejected images "
        "of one kind make a gap of their own.",
        "rejects",
    ),
    _word(
        "drawn",
        "README",
        "Shown as a point on the maps: listed outliers first, then a random sample of all other images.",
        "At most 50,000 images are drawn unless the run asked for another number, the same ones on every level. "
        "Lists and numbers come from all images, drawn or not.",
        "sample",
    ),
    _word(
        "missing-value",
        "Sources",
        "A column has nothing for this image; the page shows it as missing and never as 0.",
        "A dataset without the column has none of its values. Charts and filters count such images apart.",
        "missing",
    ),
)

_ALSO = {
    "outliers": ("listed images",),
    "outlier_share": ("share listed",),
    "share_outside": ("share outside",),
    "reference_neighbors": ("among neighbors",),
    "frechet": ("FID",),
    "kid": ("KID", "kernel distance"),
    "two_sample": ("two-sample test",),
}
_READ = {
    "images": "Rejected images are not among them. Few images make wide intervals and short lists.",
    "groups": "Where every image counts by itself, there are as many groups as images.",
    "outliers": "A list at one level is no measure of the whole: look at every level and at both directions.",
    "outlier_groups": "Where images belong together, this counts and not the number of images.",
    "outlier_share": "A high share at every level means that the datasets differ in look: read style aside.",
    "outside": "Add such content to the reference, or find out why the query has it.",
    "under_represented": "The reference has such images, but too few for its size: add more of the same.",
    "share_outside": "It can be large where nothing is listed: a small shift of all images makes none stand out.",
    "coverage": "What is not covered are images of the reference that the query does not reach.",
    "reference_neighbors": "Where it falls short of what is expected if alike, images of the query keep to themselves.",
    "reference_neighbors_expected": "It follows from the sizes of the two datasets alone.",
    "gap": "It does not move with the number of images, so levels, pairs and runs can be compared by it.",
    "reference_images": "With few of them, nothing can be listed with certainty.",
    "reference_groups": "Where every image counts by itself, there are as many groups as images.",
    "frechet": "It is biased upwards where there are fewer images than dimensions, so read it against its noise floor.",
    "kid": "It is not biased: values around 0, also below it, mean no difference.",
    "precision": "A low one means that many query images lie where the reference has none.",
    "recall": "A low one means that the query reaches only a part of what the reference shows.",
    "density": "Far above 1, query images crowd around a few images of the reference.",
    "two_sample": "By its p, the page says whether a level differs as a whole: at most 0.05 over the number of levels.",
}
_BETTER = {
    "lower": "A lower value means a smaller gap.",
    "higher": "A higher value means a smaller gap.",
    "neither": "It says nothing of the gap.",
}


def _of_metric(metric: Metric) -> Word:
    made = [
        f"{what}: {how}."
        for what, how in (
            ("95% interval", metric.interval),
            ("Noise floor", metric.noise_floor.replace("`reference_neighbors_expected`", "what is expected if alike")),
            ("Source", "" if metric.source in ("counted", "as outliers") else metric.source),
        )
        if how
    ]
    return Word(
        id=metric.name.replace("_", "-"),
        term=metric.label,
        also=_ALSO.get(metric.name, ()),
        short=f"{metric.help}.",
        long=" ".join([_BETTER[metric.better], _READ[metric.name], *made]),
        see="Comparison",
    )


WORDS = tuple(
    sorted([*_TERMS, *(_of_metric(metric) for metric in METRICS.values())], key=lambda word: word.term.casefold())
)
"""Every term of the page, by the alphabet."""
