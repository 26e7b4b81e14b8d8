// The filter of a column of numbers or dates.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { ColumnValues } from "../../data/columns.ts";
import type { NumberColumn } from "../../data/facts.ts";
import { facts } from "../../data/facts.ts";
import { formatInColumn, shorten } from "../../format.ts";
import type { ColumnFilter, Filters } from "../../state/filters.ts";
import { columnValues, filters, passesColumn, setColumnFilter, wantColumn } from "../../state/filters.ts";
import { selection } from "../../state/state.ts";
import type { Bin } from "./bins.ts";
import { binsOf } from "./bins.ts";
import { Card } from "./Card.tsx";
import type { Counts } from "./counts.ts";
import { countPlaces, largestShare, selectPlaces, useCounts } from "./counts.ts";
import { RangeSlider } from "./RangeSlider.tsx";
import { Row, Rows, countsText } from "./Row.tsx";

const HEIGHT = 72;
const DAY = 86_400;

type Range = Extract<ColumnFilter, { kind: "range" }>;

// ---- the histogram

// The outline of a dataset's bins; what lies beyond the robust ends stands apart.
const outline = (bins: Bin[], counts: Uint32Array, total: number, full: number): string => {
  const parts: string[] = [];
  bins.forEach(({ left, width, isBeyond }, bin) => {
    const top = HEIGHT - ((counts[bin] / Math.max(1, total)) / (full || 1)) * (HEIGHT - 2);
    const isNew = bin === 0 || isBeyond || bins[bin - 1].isBeyond;
    const isLast = bin === bins.length - 1 || isBeyond || bins[bin + 1].isBeyond;
    parts.push(`${isNew ? `M${left} ${HEIGHT}` : ""}L${left} ${top}L${left + width} ${top}${isLast ? `L${left + width} ${HEIGHT}` : ""}`);
  });
  return parts.join("");
};

const Shapes = ({ bins, counts, full }: { bins: Bin[]; counts: Counts; full: number }): JSX.Element => {
  const isAnySelected = selection.value.images.size > 0;
  return (
    <svg viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {facts.datasets.map((_, dataset) => (
        <g key={dataset} style={{ "--color": `var(--dataset-${dataset})` }}>
          <path class={isAnySelected ? "area pale" : "area"} d={outline(bins, counts.shown[dataset], counts.totals[dataset], full)} />
          {isAnySelected && <path class="area picked" d={outline(bins, counts.selected[dataset], counts.totals[dataset], full)} />}
        </g>))}
    </svg>);
};

interface HistogramProps {
  head: NumberColumn;
  bins: Bin[];
  counts: Counts;
  range: Range;
  onSelect: (bin: number, event: MouseEvent) => void;
}

const Histogram = ({ head, bins, counts, range, onSelect }: HistogramProps): JSX.Element => {
  const [current, setCurrent] = useState(0);
  const [told, setTold] = useState<number | null>(null);
  const element = useRef<HTMLDivElement>(null);
  const full = largestShare(counts, [...bins.keys()]);
  const text = (value: number): string => formatInColumn(value, head);
  const binText = ({ low, high, isBeyond }: Bin, bin: number): string => {
    if (isBeyond) return bin === 0 ? `below ${text(high)}` : `above ${text(low)}`;
    return head.integer && head.unit !== "date" && high - low === 1 ? text(low) : `${text(low)} to ${text(high)}`;
  };
  // The arrow keys go from bin to bin, so that a histogram is one stop of the Tab key.
  const go = (event: KeyboardEvent): void => {
    const next = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: bins.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    if (next < 0 || next >= bins.length) return;
    setCurrent(next);
    (element.current!.children[next] as HTMLElement).focus();
  };
  return (
    <div class="histogram">
      <p class="histogram-told quiet">{told === null ? `${text(head.min)} to ${text(head.max)}` : <><strong>{binText(bins[told], told)}</strong> <bdi>{countsText(counts, told)}</bdi></>}</p>
      <div class="histogram-body">
        <Shapes bins={bins} counts={counts} full={full} />
        <div ref={element} class="histogram-bins" role="group" data-arrows aria-label={`Bins of ${shorten(head.name)}; the arrow keys go from one to the next`} onKeyDown={go}>
          {bins.map((own, bin) => (
            <button
              key={bin} type="button" tabIndex={bin === current ? 0 : -1} style={{ left: `${own.left}%`, width: `${own.width}%` }}
              class={own.high < range.low || own.low > range.high ? "out" : ""}
              aria-label={`Select ${binText(own, bin)}: ${countsText(counts, bin)}`}
              onClick={(event) => onSelect(bin, event)} onFocus={() => { setCurrent(bin); setTold(bin); }} onBlur={() => setTold(null)}
              onPointerEnter={() => setTold(bin)} onPointerLeave={() => setTold(null)}
            />))}
        </div>
      </div>
      <p class="histogram-ends quiet" aria-hidden="true">
        {bins.map(({ isBeyond, left, width }, bin) => isBeyond && (
          <span key={bin} style={{ left: `${left}%`, width: `${width}%` }}>{bin === 0 ? "<" : ">"}</span>))}
      </p>
    </div>);
};

// ---- typed ends

const isDays = (head: NumberColumn): boolean => head.max - head.min > 3 * DAY;

const typed = (value: number, head: NumberColumn): string => {
  if (head.unit !== "date") return String(Number(value.toPrecision(7)));
  return new Date(value * 1000).toISOString().slice(0, isDays(head) ? 10 : 16);
};

// The end that a text says; null where it says none. A last day is meant with all its hours.
const readEnd = (text: string, head: NumberColumn, isHigh: boolean): number | null => {
  if (text.trim() === "") return null;
  const value = head.unit === "date" ? Date.parse(`${text}${isDays(head) ? "T00:00" : ""}Z`) / 1000 + (isHigh && isDays(head) ? DAY - 1 : 0) : Number(text);
  return Number.isFinite(value) ? value : null;
};

interface EndProps {
  head: NumberColumn;
  name: "from" | "to";
  value: number;
  onChange: (value: number | null) => void;
}

const End = ({ head, name, value, onChange }: EndProps): JSX.Element => (
  <label class="range-end">
    <span class="quiet">{name}</span>
    <input
      type={head.unit !== "date" ? "number" : isDays(head) ? "date" : "datetime-local"} step={head.unit === "date" ? undefined : "any"}
      aria-label={`${shorten(head.name)}, ${name}, as a ${head.unit === "date" ? "date" : "number"}`} value={typed(value, head)}
      onChange={(event) => {
        const read = readEnd(event.currentTarget.value, head, name === "to");
        // An end that is no value stays what it was.
        if (read === null) event.currentTarget.value = typed(value, head);
        onChange(read);
      }}
    />
  </label>);

// ---- all

const rangeOf = ({ name, min, max }: NumberColumn, { columns }: Filters): Range => {
  const own = columns.get(name);
  return own?.kind === "range" ? own : { kind: "range", low: min, high: max, missing: true };
};

interface ValuesProps {
  head: NumberColumn;
  values: ColumnValues;
  isNear: boolean;
}

const Values = ({ head, values, isNear }: ValuesProps): JSX.Element => {
  const { name, min, max } = head;
  const filter = `column:${name}`;
  const range = rangeOf(head, filters.value);
  const passes = passesColumn(range, values);
  const { bins, places, stops } = binsOf(head, values);
  const counts = useCounts(isNear, () => countPlaces(filter, bins.length + 1, (image, count) => count(places[image])));
  const [first, last] = [stops[0].value, stops[stops.length - 1].value];
  const set = (low: number, high: number, missing: boolean): void => {
    const isAll = low <= min && high >= max;
    setColumnFilter(name, isAll && (missing || head.missing === 0) ? null : { kind: "range", low: Math.min(low, high), high: Math.max(low, high), missing });
  };
  const setEnds = ({ low, high }: Partial<Range>): void => {
    const before = rangeOf(head, filters.peek());
    const [from, to] = [low ?? before.low, high ?? before.high];
    // Images without a value do not pass a range, unless they are asked for.
    const isSet = filters.peek().columns.has(name);
    set(from, to, isSet ? before.missing : from <= min && to >= max);
  };
  // The ends of the axis are rounder than those of the values.
  const clamped = (value: number): number => Math.min(last, Math.max(first, value));
  const day = isDays(head) ? DAY : 60;
  const label = (text: string): string => `${shorten(name)}: ${text}`;
  return (
    <>
      <Histogram
        head={head} bins={bins} counts={counts} range={range}
        onSelect={(bin, event) => selectPlaces(filter, label(`${formatInColumn(bins[bin].low, head)} to ${formatInColumn(bins[bin].high, head)}`), event, (image) => (
          places[image] === bin && passes(image)))}
      />
      <RangeSlider
        label={shorten(name)} stops={stops} step={head.unit === "date" ? day : head.integer ? 1 : 0} format={(value) => formatInColumn(value, head)}
        low={range.low <= min ? first : clamped(range.low)} high={range.high >= max ? last : clamped(range.high)}
        onMove={(end) => setEnds("low" in end ? { low: end.low <= first ? min : end.low } : { high: end.high >= last ? max : end.high })}
      />
      <p class={head.unit === "date" ? "range-ends dates" : "range-ends"}>
        <End head={head} name="from" value={range.low} onChange={(low) => low !== null && setEnds({ low })} />
        <End head={head} name="to" value={range.high} onChange={(high) => high !== null && setEnds({ high })} />
      </p>
      {head.missing > 0 && (
        <Rows>
          <Row
            text="missing" counts={counts} place={bins.length} full={largestShare(counts, [...bins.keys(), bins.length])}
            isChecked={range.missing} isOut={!range.missing} onCheck={(isChecked) => set(range.low, range.high, isChecked)}
            onSelect={(event) => selectPlaces(filter, label("missing"), event, (image) => places[image] === bins.length)}
          ><em>missing</em></Row>
        </Rows>)}
    </>);
};

export const NumberCard = ({ head }: { head: NumberColumn }): JSX.Element => (
  <Card title={head.name} unit={head.unit === "date" ? "" : head.unit} filters={[`column:${head.name}`]} onSeen={() => wantColumn(head.name)}>
    {(isNear) => {
      const values = columnValues.value.get(head.name);
      return values ? <Values head={head} values={values} isNear={isNear} /> : <p class="filter-wait" />;
    }}
  </Card>);
