// How many of the pictures each dataset has, and each value of a column; a bar selects its images.
import { bin } from "d3-array";
import { scaleLinear, scaleUtc } from "d3-scale";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { MISSING, OTHER } from "../../data/columns.ts";
import type { ColumnHead, NumberColumn, TextColumn } from "../../data/facts.ts";
import { columnNumber, datasetName, facts } from "../../data/facts.ts";
import { images } from "../../data/images.ts";
import { formatCount, formatImages, formatInColumn } from "../../format.ts";
import { columnValues, wantColumn } from "../../state/filters.ts";
import { countedColumn, gridImages } from "../../state/grid.ts";
import { scope, select, selection } from "../../state/state.ts";
import { Swatch } from "../Picture.tsx";

const MOST_TEXTS = 10;
const BINS = 8;

interface Bar {
  text: string;
  /** How its images are called once they are selected. */
  label: string;
  images: number[];
  dataset?: number;
  isQuiet?: boolean;
}

const textBars = (head: TextColumn, values: ArrayLike<number>): Bar[] => {
  const byCode = new Map<number, number[]>();
  for (const image of gridImages.value) {
    const own = byCode.get(values[image]);
    if (own) own.push(image);
    else byCode.set(values[image], [image]);
  }
  const codes = [...byCode].filter(([code]) => code !== MISSING && code !== OTHER).sort((a, b) => b[1].length - a[1].length || a[0] - b[0]);
  // One more is shown in the place of "1 other".
  const top = codes.length === MOST_TEXTS + 1 ? codes : codes.slice(0, MOST_TEXTS);
  const rest = [...codes.slice(top.length).flatMap(([, own]) => own), ...byCode.get(OTHER) ?? []];
  const missing = byCode.get(MISSING) ?? [];
  return [
    ...top.map(([code, own]) => ({ text: head.texts[code], label: `${head.name}: ${head.texts[code]}`, images: own })),
    ...(rest.length ? [{ text: "other values", label: `${head.name}: other values`, images: rest, isQuiet: true }] : []),
    ...(missing.length ? [{ text: "missing", label: `${head.name}: missing`, images: missing, isQuiet: true }] : []),
  ];
};

// The ends of the scale hold all that lies beyond them, so that one extreme value does not put all others into one bin.
const numberBars = (head: NumberColumn, values: ArrayLike<number>): Bar[] => {
  const known = gridImages.value.filter((image) => Number.isFinite(values[image]));
  const missing = gridImages.value.filter((image) => !Number.isFinite(values[image]));
  const clamped = (image: number): number => Math.min(head.high, Math.max(head.low, values[image]));
  const isDate = head.unit === "date";
  const scale = isDate ? scaleUtc([head.low * 1000, head.high * 1000], [0, 1]) : scaleLinear([head.low, head.high], [0, 1]);
  const inUnit = (value: number | Date): number => (value instanceof Date ? value.getTime() / 1000 : value);
  const [low, high] = scale.nice(BINS).domain().map(inUnit);
  const bins = bin<number, number>().value(clamped).domain([low, high]).thresholds(scale.ticks(BINS).map(inUnit))(known);
  const bars = bins.map((own, at): Bar => {
    const [from, to] = [formatInColumn(own.x0!, head), formatInColumn(own.x1!, head)];
    const isFirst = at === 0 && head.min < low;
    const isLast = at === bins.length - 1 && head.max > high;
    const text = from === to ? from : isFirst ? `up to ${to}` : isLast ? `${from} and more` : `${from} to ${to}`;
    return { text, label: `${head.name}: ${text}`, images: [...own] };
  });
  return [...bars, ...(missing.length ? [{ text: "missing", label: `${head.name}: missing`, images: missing, isQuiet: true }] : [])];
};

const columnBars = (head: ColumnHead): Bar[] | null => {
  const values = columnValues.value.get(head.name);
  if (!values) return null;
  return head.kind === "text" ? textBars(head, values) : numberBars(head, values);
};

const datasetBars = (): Bar[] => facts.datasets.map((_, dataset) => ({
  text: datasetName(dataset), label: datasetName(dataset), dataset,
  images: gridImages.value.filter((image) => images.dataset[image] === dataset),
})).filter((bar) => bar.images.length);

const Bars = ({ bars, name }: { bars: Bar[]; name: string }): JSX.Element => {
  const most = Math.max(1, ...bars.map((bar) => bar.images.length));
  const choose = (bar: Bar): void => {
    const before = scope.value === "selected" ? selection.value.label : "";
    select(bar.images, before ? `${before}, ${bar.label}` : bar.label);
  };
  return (
    <ul class="count-bars" aria-label={`Images by ${name}`}>
      {bars.map((bar) => (
        <li key={bar.label}>
          <button
            type="button" class={bar.isQuiet ? "count-bar quiet" : "count-bar"}
            title={`Select ${formatImages(bar.images.length)}: ${bar.text}`} onClick={() => choose(bar)}
          >
            <span class="count-text">{bar.dataset === undefined ? null : <Swatch dataset={bar.dataset} />}<bdi>{bar.text}</bdi></span>
            <span class="count-number">{formatCount(bar.images.length)}</span>
            <span
              class="bar" aria-hidden="true"
              style={{ "--color": bar.dataset === undefined ? "var(--quiet)" : `var(--dataset-${bar.dataset})`, "--share": bar.images.length / most }}
            />
          </button>
        </li>))}
    </ul>);
};

// On a telephone the pictures come first.
const isWide = matchMedia("(min-width: 701px)").matches;

const ByColumn = (): JSX.Element | null => {
  if (!facts.columns.length) return null;
  const chosen = countedColumn.value;
  const head = chosen === null ? undefined : facts.columns.at(columnNumber(chosen));
  const bars = head ? columnBars(head) : null;
  return (
    <div class="count-group">
      <label class="quiet">Count by <select id="count-by" value={chosen ?? ""} onChange={(event) => {
        countedColumn.value = event.currentTarget.value || null;
      }}>
        <option value="">no column</option>
        {facts.columns.map(({ name }) => <option key={name} value={name}>{name}</option>)}
      </select></label>
      {head && bars ? <Bars bars={bars} name={head.name} /> : null}
    </div>);
};

export const Counts = (): JSX.Element => {
  const counted = countedColumn.value;
  useEffect(() => {
    if (counted !== null) wantColumn(counted);
  }, [counted]);
  return (
    <details id="grid-counts" open={isWide}>
      <summary>Counts</summary>
      <p class="quiet">A bar selects its images.</p>
      <Bars bars={datasetBars()} name="dataset" />
      <ByColumn />
    </details>);
};
