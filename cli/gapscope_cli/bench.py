"""`gapscope bench`: how fast this machine draws maps, and what became slower from one result to another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gapscope.bench.backend_names import BACKEND_NAMES
from gapscope_cli.command import BenchCommand, add_command
from gapscope_cli.documents import BenchCompareDocument, BenchDocument, BenchVerdict
from gapscope_cli.errors import reported_errors
from gapscope_cli.output import print_document, say, warn
from gapscope_cli.progress import shown_progress

if TYPE_CHECKING:
    from gapscope.bench.verdict import Verdict

_WORSE = 4

bench = typer.Typer(help="Measure this machine, and compare measurements.", no_args_is_help=True)


def reduce(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where results go.")] = Path("gapscope-bench"),
    rows: Annotated[str, typer.Option(metavar="1e4,1e6", help="Numbers of embeddings.")] = "1e4",
    dims: Annotated[int, typer.Option(metavar="N", help="Dimensions of made-up embeddings.")] = 256,
    points: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npy", help="Take the first rows of these (n, dims) in place of made-up ones."),
    ] = None,
    backends: Annotated[
        str | None,
        typer.Option(
            metavar="A;B", help=f"Some of the ways to draw a map; all by default: {'; '.join(BACKEND_NAMES)}."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(metavar="N", help="How often each case is measured.")] = 3,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="That a case may take.")] = 3600,
) -> None:
    """Time maps of embeddings: umap-learn, cuML with each graph builder, and gapscope's way, whole and by landmarks.

    Each repeat is a process of its own. Writes reduce.json and reduce.html.

    Example: gapscope bench reduce --rows 1e5,1e6
    """
    with reported_errors(), shown_progress() as progress:
        from gapscope.bench.page import COLUMNS, middle
        from gapscope.bench.reduce import reduce as measure

        names = None if backends is None else [name.strip() for name in backends.split(";")]
        result = measure(
            out,
            rows=_counts(rows),
            dims=dims,
            points=points,
            backends=names,
            repeats=repeats,
            timeout=timeout,
            progress=progress,
        )
    say(f"{'method':<28} {'rows':>11}  " + "  ".join(f"{name:>{len(name)}}" for name in COLUMNS.values()))
    for case in result["cases"]:
        shown = case.get("not_run") or case.get("failed")
        if shown is None:
            values = ((middle(case, measure), len(name)) for measure, name in COLUMNS.items())
            shown = "  ".join(f"{'-' if value is None else f'{value:.3g}':>{width}}" for value, width in values)
        say(f"{case['case']:<28} {case['rows']:>11,}  {shown}")
    say(f"\nmedians of {repeats}; {out / 'reduce.html'} has the plots, {out / 'reduce.json'} every repeat")
    print_document(BenchDocument(file=str(out / "reduce.json"), result=result))


def scale(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where results go.")] = Path("gapscope-bench"),
    rows: Annotated[str, typer.Option(metavar="1e5,1e6", help="Numbers of images of both datasets.")] = "1e4,1e5",
    dims: Annotated[int, typer.Option(metavar="N", help="Dimensions of the embeddings.")] = 64,
    points: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npy", help="Real embeddings (n, channels) that the made-up ones are fitted to."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to compute.")] = "auto",
    cluster: Annotated[str, typer.Option(metavar="CLUSTER", help="As `gapscope compare` takes it.")] = "local",
    landmarks: Annotated[int, typer.Option(metavar="N", help="Images that UMAP lays out.")] = 50_000,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="That a size may take.")] = 36_000,
) -> None:
    """Time the whole job on made-up embeddings of growing numbers: stages, memory, recall, and how they grow.

    Each size is a process of its own. Writes scale.json and scale.html.

    Example: gapscope bench scale --rows 1e5,1e6,3e6
    """
    with reported_errors(), shown_progress() as progress:
        from gapscope.bench.scale import scale as measure

        result = measure(
            out,
            rows=_counts(rows),
            dims=dims,
            points=points,
            device=device,
            cluster=cluster,
            landmarks=landmarks,
            timeout=timeout,
            progress=progress,
        )
    for case in result["cases"]:
        if "failed" in case:
            say(f"{case['rows']:>11,} rows: {case['failed']}")
            continue
        say(
            f"{case['rows']:>11,} rows: {case['seconds']:,.0f} s, {case['rows'] / case['seconds']:,.0f} rows/s; "
            f"command {case['command_gib']:.2f} GiB, worker {case['worker_gib']:.2f} GiB; neighbors found "
            f"{case['recall_within']:.1%} within datasets, {case['recall_between']:.1%} between"
        )
        for stage, measured in case["stages"].items():
            rate = case["rows"] / max(measured["seconds"], 1e-9)
            exponent = result["exponent"].get(stage, "-")
            say(f"    {stage:<24} {measured['seconds']:>9,.1f} s {rate:>11,.0f} rows/s  exponent {exponent}")
    say(f"\n{out / 'scale.html'} has the plots, {out / 'scale.json'} every number")
    print_document(BenchDocument(file=str(out / "scale.json"), result=result))


def _counts(rows: str) -> list[int]:
    from gapscope.errors import OptionError

    try:
        return [int(float(part)) for part in rows.split(",")]
    except ValueError as error:
        raise OptionError("give numbers such as 1e4,1e6", argument="rows", value=rows) from error


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="OLD NEW [MORE]", help="Results, JSON, the earlier first.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write all results side by side there, as of several machines."),
    ] = None,
) -> None:
    """Say what got slower, larger or worse from one benchmark result to another, beyond the noise of their repeats.

    Any file under benchmarks/results will do. A measure is worse if its median moved by 5% or more, and a one-sided
    Mann-Whitney test of the repeats gives p <= 0.05; fewer than three repeats say nothing. The exit code is 4 if
    something is worse.

    With --out, and of more than two results, joined.json and joined.html have every measure of all of them instead:
    those of several machines, with their plots over the number of rows.

    Example: gapscope bench compare laptop.json h200.json cluster.json --out machines
    """
    if out is not None or len(files) != 2:
        _join(files, out or Path("gapscope-bench"))
        return
    with reported_errors():
        from gapscope.bench.measures import read_result
        from gapscope.bench.verdict import compare_results, differences
        from gapscope.errors import OptionError

        old, new = files
        before, after = read_result(old), read_result(new)
        verdicts = compare_results(before, after)
        if not verdicts:
            raise OptionError(f"{old} and {new} have no measure in common")
        machines = list(differences(before, after))
        for difference in machines:
            warn(f"not the same machine, so that differences may be the machines': {difference}")
    _print(verdicts)
    print_document(BenchCompareDocument(machines=machines, verdicts=[_verdict(each) for each in verdicts]))
    if any(verdict.word == "worse" for verdict in verdicts):
        raise typer.Exit(_WORSE)


def _join(files: list[Path], out: Path) -> None:
    with reported_errors():
        from gapscope.bench.joined import join_results

        joined = join_results(files, out)
    for measure in joined["measures"]:
        values = ", ".join(f"{name} {value:,.4g}" for name, value in measure["medians"].items())
        say(f"{measure['measure']}, {measure['unit']}: {values}")
    say(f"\n{out / 'joined.html'} has the plots, {out / 'joined.json'} every number")
    print_document(BenchCompareDocument(file=str(out / "joined.json"), joined=joined))


def _print(verdicts: "list[Verdict]") -> None:
    for word in ("worse", "better"):
        for verdict in verdicts:
            if verdict.word == word:
                say(f"{word:<7} {_change(verdict)}, p {verdict.p:.3f}: {verdict.old.name}")
    counts: dict[str, Any] = {word: sum(verdict.word == word for verdict in verdicts) for word in ("same", "unsure")}
    say(f"{counts['same']} within the noise, {counts['unsure']} with too few repeats to tell")


def _verdict(verdict: "Verdict") -> BenchVerdict:
    return BenchVerdict(
        measure=verdict.old.name,
        unit=verdict.old.quantity.unit,
        verdict=verdict.word,
        old=list(verdict.old.repeats),
        new=list(verdict.new.repeats),
        change=verdict.change,
        p=verdict.p,
    )


def _change(verdict: "Verdict") -> str:
    from statistics import median

    ends = " -> ".join(f"{median(measure.repeats):.4g}" for measure in (verdict.old, verdict.new))
    return f"{ends} {verdict.old.quantity.unit} ({verdict.change:+.0%})"


for each in (reduce, scale, compare):
    add_command(bench, each, BenchCommand)
