// The boxes of annotated objects: how many, how large, where, and which classes are together.
import { scaleLinear } from "d3-scale";
import type { JSX } from "preact";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import type { BoxNumber, Together } from "../data/facts.ts";
import { capitalized, counted, formatCount, formatPercent, shorten } from "../format.ts";
import { pair } from "../state/state.ts";
import { Chart, SIZE } from "./Chart.tsx";
import { Swatch, Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const [LEFT, RIGHT] = [12, SIZE.width - 12];
const BASE = SIZE.height - SIZE.bottom;

/** The pair of the shown two datasets whose boxes were compared; -1 for none. */
const comparedBoxes = (): number => bothWays(pair.value).find((own) => facts.boxes[own]) ?? -1;

// Bins are drawn equally wide, since sizes crowd at the small end.
const Histogram = ({ number, own }: { number: BoxNumber; own: number }): JSX.Element => {
  const [query, reference] = facts.pairs[own];
  const { bins } = number;
  const x = scaleLinear().domain([0, bins.length]).range([LEFT, RIGHT]);
  const y = scaleLinear().domain([0, Math.max(1e-12, ...number.query, ...number.reference)]).range([BASE, SIZE.top]);
  const series = [{ dataset: reference, parts: number.reference }, { dataset: query, parts: number.query }];
  const outline = (parts: number[]): string => [
    `${x(0)},${BASE}`, ...parts.flatMap((part, at) => [`${x(at)},${y(part)}`, `${x(at + 1)},${y(part)}`]), `${x(bins.length)},${BASE}`,
  ].join(" ");
  const [name, referenceName] = [query, reference].map((dataset) => shorten(datasetName(dataset), 30));
  const stops = bins.map((text, at) => {
    const [ofQuery, ofReference] = [number.query[at], number.reference[at]].map(formatPercent);
    return {
      from: x(at), to: x(at + 1), name: `${text}: ${ofQuery} of ${name}, ${ofReference} of ${referenceName}`,
      readout: (
        <>
          <span class="readout-place">{text}</span>
          <span class="readout-value">{ofQuery} of <Tag dataset={query} /></span>
          <span class="readout-value">{ofReference} of <Tag dataset={reference} /></span>
        </>),
    };
  });
  const [ofQuery, ofReference] = number.counts;
  return (
    <Chart
      id={`box-${number.name}`} label={<span class="box-label">{number.label}</span>} stops={stops} resting={null}
      hint={`${number.help}. Of ${counted(ofQuery, number.of)} and ${formatCount(ofReference)}.`}
      description={`${number.label} of ${name} and ${referenceName}`}
      help={(
        <>
          <span class={number.beyond ? "box-told box-sentence" : "box-told quiet"}><bdi>{number.sentence}</bdi></span>
          {number.interval ? `95% interval of the difference: ${number.interval}${number.beyond ? ", beyond noise" : ""}.` : null}
        </>)}
    >
      {series.map(({ dataset, parts }) => <polygon key={dataset} points={outline(parts)} class="area" style={{ "--color": `var(--dataset-${dataset})` }} />)}
      <text x={LEFT} y={SIZE.height - 6} class="tick" text-anchor="start">{bins[0]}</text>
      <text x={RIGHT} y={SIZE.height - 6} class="tick" text-anchor="end">{bins[bins.length - 1]}</text>
    </Chart>);
};

const Rates = ({ row, own }: { row: Together; own: number }): JSX.Element => {
  const [query, reference] = facts.pairs[own];
  const full = Math.max(1e-12, row.query, row.reference);
  return (
    <span class="rates">
      {([[query, row.query], [reference, row.reference]] as const).map(([dataset, share]) => (
        <span key={dataset} class="rate" style={{ "--color": `var(--dataset-${dataset})` }}>
          <Swatch dataset={dataset} /><span class="number">{formatPercent(share)}</span>
          <span class="bar" style={{ "--share": share / full }} aria-hidden="true" />
        </span>))}
    </span>);
};

const inPoints = (share: number): string => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)}`;

const TogetherTable = ({ rows, own }: { rows: Together[]; own: number }): JSX.Element => {
  const [query, reference] = facts.pairs[own];
  return (
    <div class="together">
      <h3 class="section-sub">Classes that are in one image together</h3>
      <div class="scroller" role="region" aria-label="Classes that are in one image together" tabIndex={0}>
        <table id="together">
          <thead>
            <tr>
              <th scope="col">classes</th><th scope="col">share of the images</th>
              <th scope="col" class="value">difference, points</th><th scope="col" class="value"><Word id="beyond-noise">beyond noise</Word></th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={`${row.first}\n${row.second}`}>
                <th scope="row"><bdi class="class-text">{row.first}</bdi> <span class="quiet">with</span> <bdi class="class-text">{row.second}</bdi></th>
                <td class="text"><Rates row={row} own={own} /></td>
                <td>
                  {inPoints(row.reference - row.query)}
                  {row.low === null || row.high === null ? null : <span class="quiet"> ({inPoints(-row.high)} to {inPoints(-row.low)})</span>}
                </td>
                <td>{row.beyond_noise === null ? "too few" : row.beyond_noise ? `yes, ${row.reference > row.query ? "more" : "less"} often` : "no"}</td>
              </tr>))}
          </tbody>
        </table>
      </div>
      <p class="quiet table-note">The difference is <bdi>{datasetName(reference)}</bdi> less <bdi>{datasetName(query)}</bdi>.</p>
    </div>);
};

/** Nothing where the shown datasets have no annotated objects. */
export const Objects = (): JSX.Element | null => {
  const own = comparedBoxes();
  const boxes = facts.boxes[own];
  if (!boxes) return null;
  const rank = ({ beyond }: BoxNumber): number => (beyond ? 0 : beyond === null ? 2 : 1);
  const numbers = [...boxes.numbers].sort((a, b) => rank(a) - rank(b));
  const [query, reference] = facts.pairs[own];
  const differing = numbers.filter(({ beyond }) => beyond).length;
  return (
    <section id="boxes" aria-labelledby="boxes-title" tabIndex={-1}>
      <h2 id="boxes-title">Annotated objects</h2>
      <p class="quiet">
        Boxes of <Tag dataset={query} /> and <Tag dataset={reference} />: {differing ? `${differing} of ${numbers.length}` : `none of ${numbers.length}`} numbers
        differ beyond <Word id="noise-floor">noise</Word>. {boxes.note ? <bdi>{capitalized(boxes.note)}.</bdi> : null}
      </p>
      <div class="box-charts">{numbers.map((number) => <Histogram key={number.name} number={number} own={own} />)}</div>
      {boxes.together.length ? <TogetherTable rows={boxes.together} own={own} /> : null}
    </section>);
};
