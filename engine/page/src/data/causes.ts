// The user's columns: which go with the gap, and which of their values are wanted more; loaded when they are shown.
import type { Reading } from "./facts.ts";
import { loadData } from "./load.ts";

/** A value of a column, or a range of its values: ends are null for a category, and for an open end. */
export interface ColumnValue {
  label: string;
  low: number | null;
  high: number | null;
  images: number;
  enough: boolean;
}

export interface ValueGap extends ColumnValue {
  groups: number;
  /** Null where there is a ranking and no list. */
  share_listed: number | null;
  gap: number | null;
  gap_low: number | null;
  gap_high: number | null;
}

export interface WantedValue extends ColumnValue {
  today: number;
  wanted: number;
  /** Null where there are none today. */
  ratio: number | null;
  ratio_low: number | null;
  ratio_high: number | null;
}

export interface LookedAt<Value extends ColumnValue> {
  column: string;
  /** Its name among the page's columns; null where the page has no such column. */
  on: string | null;
  kind: "category" | "number" | "date";
  p: number | null;
  named: boolean;
  level: number | null;
  reading: Reading;
  values: Value[];
  /** How many further values the run has. */
  left: number;
  note: string;
}

export interface Cause extends LookedAt<ValueGap> {
  groups: number;
  effect: number;
}

export interface WantedColumn extends LookedAt<WantedValue> {
  sentence: string;
}

export interface PairCauses {
  causes: Cause[];
  wanted: WantedColumn[];
}

/** Per pair, the strongest first. */
export const loadCauses = async (): Promise<PairCauses[]> => (await loadData<{ pairs: PairCauses[] }>("causes")).pairs;
