// The charts by level: every measure of the run, the kind that is selected, and what is listed of what is shown.
import type { JSX } from "preact";
import type { Cell, LevelChart } from "../data/facts.ts";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import { images } from "../data/images.ts";
import { formatImages } from "../format.ts";
import { filtersSet, passing, passingCount } from "../state/filters.ts";
import { pair, reading, selectedKind, selection } from "../state/state.ts";
import type { Line } from "./LineChart.tsx";
import { LineChart } from "./LineChart.tsx";
import { Word } from "./Word.tsx";

const colorOf = (dataset: number): string => `var(--dataset-${dataset})`;
const plainCell = (value: number | null): Cell | null => (value === null ? null : [value, null, null, null, null, null]);

const isSame = (chart: LevelChart, [one, other]: readonly number[]): boolean => (
  chart.rows.every((row) => JSON.stringify(row[one]) === JSON.stringify(row[other])));

/** A chart for every measure of the run; one that is the same both ways round has one line. */
export const Measures = (): JSX.Element => {
  const both = bothWays(pair.value);
  return (
    <>
      {(facts.charts[reading.value] ?? []).map((chart) => {
        const own = both.length > 1 && isSame(chart, both) ? both.slice(0, 1) : both;
        const known = own.filter((number) => chart.rows.some((row) => row[number]));
        const lines: Line[] = known.map((number) => ({
          name: known.length < 2 ? null : datasetName(facts.pairs[number][0]), color: colorOf(facts.pairs[number][0]),
          cells: chart.rows.map((row) => row[number]),
        }));
        if (!lines.length) return null;
        return (
          <LineChart
            key={chart.key} id={chart.key} label={<Word id={chart.key.replaceAll("_", "-")}>{chart.label}</Word>} title={chart.label}
            help={chart.help} format={chart.format} lines={lines}
          />);
      })}
    </>);
};

/** How a kind that is selected stands at every level: how much of it is listed, and how much of the reference is lacking around it. */
export const KindCharts = (): JSX.Element | null => {
  if (selectedKind.value === null) return null;
  const kind = facts.kinds[selectedKind.value];
  const [query, reference] = facts.pairs[kind.pair];
  const charts = [
    [`${kind.id}: listed`, <>Of <bdi>{kind.name}</bdi>: share of its images that each level lists</>],
    [
      `${kind.id}: lacking in ${datasetName(reference)}`,
      <>What is missing of <bdi>{datasetName(reference)}</bdi> among the nearest of its images: none 0%, all 100%</>,
    ],
  ] as const;
  return (
    <>
      {charts.map(([title, help], field) => (
        <LineChart
          key={title} id={`kind-${field}`} label={<bdi>{title}</bdi>} title={title} help={help} format="percent" color={colorOf(query)}
          lines={[{ name: null, color: colorOf(query), cells: kind.evidence.map((values) => plainCell(values[field])) }]}
        />))}
    </>);
};

/** Per level, the share of some images of a dataset that it lists; null where there are none of these. */
const sharesListed = (bits: Uint32Array, dataset: number, holds: (image: number) => boolean): (number | null)[] => {
  const counts = facts.levels.map(() => 0);
  let all = 0;
  for (let image = 0; image < images.count; image++) {
    if (images.dataset[image] !== dataset || !holds(image)) continue;
    all += 1;
    for (let level = 0; level < counts.length; level++) counts[level] += (bits[image] >>> level) & 1;
  }
  return counts.map((count) => (all ? count / all : null));
};

/** Of the images that pass the filters, and of the selection, the share that each level lists. */
export const ListedOfShown = (): JSX.Element | null => {
  const bits = images.listed[reading.value];
  if (!bits) return null;
  const [shown, chosen] = [passing.value, selection.value];
  const line = (dataset: number, name: string, holds: (image: number) => boolean): Line => (
    { name, color: colorOf(dataset), cells: sharesListed(bits, dataset, holds).map(plainCell) });
  const isKnown = ({ cells }: Line): boolean => cells.some(Boolean);
  const lines = [
    ...facts.datasets.map(({ name }, dataset) => line(dataset, name, (image) => shown[image] === 1)),
    ...(chosen.images.size
      ? facts.datasets.map(({ name }, dataset): Line => (
        { ...line(dataset, `${name}, selected`, (image) => shown[image] === 1 && chosen.images.has(image)), isDashed: true }))
      : []),
  ].filter(isKnown);
  if (!lines.length) return null;
  const which = filtersSet.value.length ? `the ${formatImages(passingCount.value)} that pass the filters` : "all images on this page";
  const sample = facts.drawn < facts.placed ? ", on which listed images are more frequent than in the run" : "";
  return (
    <LineChart
      id="listed-of-shown" label="Listed, of what is shown" title="Listed, of what is shown" format="percent" lines={lines}
      help={(
        <>
          Of {which}: share that each level lists against any dataset{sample}.
          {chosen.images.size ? <> Dashed: of the {formatImages(chosen.images.size)} selected, <bdi>{chosen.label}</bdi>.</> : null}
        </>)}
    />);
};
