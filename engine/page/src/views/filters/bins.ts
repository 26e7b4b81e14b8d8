// The axis of a column of numbers: bins between the column's robust ends, and one bin at either end for what lies beyond.
import { bisectRight } from "d3-array";
import { scaleLinear, scaleUtc } from "d3-scale";
import type { ColumnValues } from "../../data/columns.ts";
import type { NumberColumn } from "../../data/facts.ts";

/** About so many bins. */
const BINS = 20;
/** Of the axis' width, in percent. */
const BEYOND_WIDTH = 6;
const BEYOND_GAP = 2;

export interface Bin {
  low: number;
  high: number;
  /** On the axis, in percent of its width. */
  left: number;
  width: number;
  /** Whether it holds what lies beyond the robust ends. */
  isBeyond: boolean;
}

export interface Bins {
  bins: Bin[];
  /** Per image, the number of its bin; as many as there are bins where it has no value. */
  places: Uint16Array;
  /** Rising; the axis is straight between them. */
  stops: Stop[];
}

export interface Stop {
  value: number;
  /** On the axis. */
  percent: number;
  /** Whether a range holds all or nothing of what lies between this and the next stop. */
  isWhole: boolean;
}

// The edges of the bins are round numbers or times.
const roundEdges = ({ unit, integer }: NumberColumn, low: number, high: number): number[] => {
  if (unit === "date") {
    const scale = scaleUtc().domain([low * 1000, high * 1000]).nice(BINS);
    const [from, to] = scale.domain().map((date) => date.getTime());
    return [...new Set([from, ...scale.ticks(BINS).map((date) => date.getTime()), to])].map((time) => time / 1000);
  }
  if (integer && high - low < BINS) {
    const first = Math.floor(low);
    return Array.from({ length: Math.floor(high) - first + 2 }, (_, at) => first + at);
  }
  const scale = scaleLinear().domain([low, high]).nice(BINS);
  const [from, to] = scale.domain();
  return [...new Set([from, ...scale.ticks(BINS), to])];
};

const made = new WeakMap<ColumnValues, Bins>();

/** Returns the bins of a column's values. */
export const binsOf = (head: NumberColumn, values: ColumnValues): Bins => {
  let own = made.get(values);
  if (!own) made.set(values, own = makeBins(head, values));
  return own;
};

const makeBins = (head: NumberColumn, values: ColumnValues): Bins => {
  const edges = head.low < head.high ? roundEdges(head, head.low, head.high) : roundEdges(head, head.min, head.max);
  const [from, to] = [edges[0], edges[edges.length - 1]];
  const [isBelow, isAbove] = [head.min < from, head.max > to];
  const left = isBelow ? BEYOND_WIDTH + BEYOND_GAP : 0;
  const right = isAbove ? 100 - BEYOND_WIDTH - BEYOND_GAP : 100;
  const at = (value: number): number => left + ((value - from) / (to - from)) * (right - left);
  const bins = edges.slice(1).map((high, bin): Bin => (
    { low: edges[bin], high, left: at(edges[bin]), width: at(high) - at(edges[bin]), isBeyond: false }));
  if (isBelow) bins.unshift({ low: head.min, high: from, left: 0, width: BEYOND_WIDTH, isBeyond: true });
  if (isAbove) bins.push({ low: to, high: head.max, left: 100 - BEYOND_WIDTH, width: BEYOND_WIDTH, isBeyond: true });
  const last = bins.length - 1;
  const inner = edges.slice(1, -1);
  const first = isBelow ? 1 : 0;
  const places = Uint16Array.from(values, (value) => {
    if (!Number.isFinite(value)) return bins.length;
    if (value < from) return 0;
    return value > to ? last : first + bisectRight(inner, value);
  });
  const stops = [{ value: from, percent: left, isWhole: false }, { value: to, percent: right, isWhole: isAbove }];
  if (isBelow) stops.unshift({ value: head.min, percent: 0, isWhole: true });
  if (isAbove) stops.push({ value: head.max, percent: 100, isWhole: true });
  return { bins, places, stops };
};
