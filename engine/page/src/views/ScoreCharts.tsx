// How far the images of a pair's query are from its reference, at the level that is shown.
import { bin } from "d3-array";
import { scaleLinear } from "d3-scale";
import type { JSX } from "preact";
import { datasetName, facts } from "../data/facts.ts";
import { images } from "../data/images.ts";
import { scoreOf } from "../data/levels.ts";
import { readingSuffix } from "../data/numbers.ts";
import { counted, formatCount, formatPercent, formatShort, ordinal } from "../format.ts";
import { filtersSet, passing } from "../state/filters.ts";
import { level, levelNumber, pair, reading, select, selection } from "../state/state.ts";
import { Chart, SIZE } from "./Chart.tsx";
import { Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const [LEFT, RIGHT] = [12, SIZE.width - 12];
const BASE = SIZE.height - SIZE.bottom;

const Axis = ({ low, high }: { low: number; high: number }): JSX.Element => (
  <>
    <text x={LEFT} y={SIZE.height - 6} class="tick" text-anchor="start">{formatShort(low)}</text>
    <text x={SIZE.width / 2} y={SIZE.height - 6} class="tick" text-anchor="middle">near → far</text>
    <text x={RIGHT} y={SIZE.height - 6} class="tick" text-anchor="end">{formatShort(high)}</text>
  </>);

/** The outside scores of all that was compared, query and reference over the same bins. */
export const OutsideScores = (): JSX.Element | null => {
  const scores = facts.histograms[reading.value]?.[levelNumber.value]?.at(pair.value);
  if (!scores) return null;
  const { edges } = scores;
  const [query, reference] = facts.pairs[pair.value];
  const [low, high] = [edges[0], edges[edges.length - 1]];
  const total = (counts: number[]): number => counts.reduce((sum, count) => sum + count, 0) || 1;
  const shares = (counts: number[]): number[] => counts.map((count) => count / total(counts));
  const series = [{ dataset: reference, parts: shares(scores.reference) }, { dataset: query, parts: shares(scores.query) }];
  const x = scaleLinear().domain([low, Math.max(high, low + 1e-12)]).range([LEFT, RIGHT]);
  const y = scaleLinear().domain([0, Math.max(1e-12, ...series.flatMap(({ parts }) => parts))]).range([BASE, SIZE.top]);
  const k = ordinal(facts.k[reference]);
  const [name, referenceName] = [datasetName(query), datasetName(reference)];
  const title = `Outside scores at ${facts.levels[levelNumber.value].name}${readingSuffix(reading.value)}`;
  const stops = edges.slice(1).map((end, at) => {
    const range = `${formatShort(edges[at])} to ${formatShort(end)}`;
    const [ofReference, ofQuery] = series.map(({ parts }) => formatPercent(parts[at]));
    return {
      from: x(edges[at]), to: x(end), name: `${range}: ${ofQuery} of ${name}, ${ofReference} of ${referenceName} among themselves`,
      readout: (
        <>
          <span class="readout-place">{range}</span>
          <span class="readout-value">{ofQuery} of <Tag dataset={query} /></span>
          <span class="readout-value">{ofReference} of <Tag dataset={reference} /></span>
        </>),
    };
  });
  return (
    <Chart
      id="outside-scores" label={<Word id="outside">{title}</Word>} description={`${title}: distances from ${name} and ${referenceName} images to the ${k} nearest ${referenceName} image`}
      stops={stops} resting={null} hint="Point at the chart, or move along it with the arrow keys."
      help={(
        <>
          Distance to the {k} nearest <Tag dataset={reference} /> image: of <Tag dataset={query} /> images, and of <Tag dataset={reference} /> images
          among themselves. Of all that was compared, whatever the filters are.
        </>)}
    >
      {series.map(({ dataset, parts }, at) => {
        const corners = parts.flatMap((part, place) => [`${x(edges[place])},${y(part)}`, `${x(edges[place + 1])},${y(part)}`]);
        return <polygon key={at} points={[`${x(low)},${BASE}`, ...corners, `${x(high)},${BASE}`].join(" ")} class="area" style={{ "--color": `var(--dataset-${dataset})` }} />;
      })}
      <Axis low={low} high={high} />
    </Chart>);
};

const BINS = 30;

/** The outlier scores of the images on this page that pass the filters; a bar selects its images. */
export const OutlierScores = (): JSX.Element | null => {
  const shown = level.value;
  if (!shown || !facts.pairs.length) return null;
  const [own, passes, chosen] = [pair.value, passing.value, selection.value.images];
  const [query, reference] = facts.pairs[own];
  const known: { image: number; score: number }[] = [];
  for (let image = 0; image < images.count; image++) {
    if (images.dataset[image] !== query) continue;
    const score = scoreOf(shown, own, image);
    if (Number.isFinite(score)) known.push({ image, score });
  }
  if (!known.length) return null;
  // The bins are those of all images on the page, so that a filter changes the bars and not their places.
  const bins = bin<(typeof known)[number], number>().value(({ score }) => score).thresholds(BINS)(known).map((members) => ({
    low: members.x0!, high: members.x1!, images: members.flatMap(({ image }) => (passes[image] ? [image] : [])),
  }));
  const [low, high] = [bins[0].low, bins[bins.length - 1].high];
  const x = scaleLinear().domain([low, Math.max(high, low + 1e-12)]).range([LEFT, RIGHT]);
  const y = scaleLinear().domain([0, Math.max(1, ...bins.map((one) => one.images.length))]).range([BASE, SIZE.top]);
  const isChosen = (image: number): boolean => chosen.has(image);
  const [name, referenceName] = [datasetName(query), datasetName(reference)];
  const where = `${facts.levels[shown.number].name}${readingSuffix(shown.reading)}`;
  const title = `Outlier scores at ${where}`;
  const count = bins.reduce((sum, one) => sum + one.images.length, 0);
  const stops = bins.map((one) => {
    const range = `${formatShort(one.low)} to ${formatShort(one.high)}`;
    const part = one.images.filter(isChosen).length;
    const told = `${counted(one.images.length, "image")}${chosen.size ? `, ${formatCount(part)} selected` : ""}`;
    return {
      from: x(one.low), to: x(one.high), name: `Select ${range}: ${told}`,
      readout: <><span class="readout-place">{range}</span><span class="readout-value">{told}</span></>,
      choose: () => {
        if (one.images.length) select(one.images, `${name} scores ${range} against ${referenceName} at ${where}`);
      },
    };
  });
  return (
    <Chart
      id="outlier-scores" label={<Word id="outlier-score">{title}</Word>} stops={stops} resting={null} hint="Click a bar to select its images."
      description={`${title} of ${name} images against ${referenceName}, of the images shown on this page`}
      help={(
        <>
          Of the {formatCount(count)} <Tag dataset={query} /> images shown on this page{filtersSet.value.length ? " that pass the filters" : ""}: how
          far each is from <Tag dataset={reference} />.{chosen.size ? " The selection's part is drawn in its own color." : ""}
        </>)}
    >
      {bins.map((one, at) => {
        const part = one.images.filter(isChosen).length;
        const [left, width] = [x(one.low) + 0.5, Math.max(0.5, x(one.high) - x(one.low) - 1)];
        return (
          <g key={at} style={{ "--color": `var(--dataset-${query})` }}>
            <rect x={left} width={width} y={y(one.images.length)} height={BASE - y(one.images.length)} class="column" />
            {part ? <rect x={left} width={width} y={y(part)} height={BASE - y(part)} class="column chosen" /> : null}
          </g>);
      })}
      <Axis low={low} high={high} />
    </Chart>);
};
