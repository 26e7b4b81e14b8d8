// The numbers of a pair at a level, and what they mean in words.
import { formatPercent } from "../format.ts";
import type { Cell, Reading } from "./facts.ts";
import { facts } from "./facts.ts";

export const READING_TEXTS: Record<Reading, readonly [string, string]> = {
  "as-is": ["As it is", "images as they look"],
  "style-aside": ["Style aside", "each set's overall look taken out"],
};

/** What tells the readings apart in a title; nothing where there is one. */
export const readingSuffix = (reading: Reading): string => {
  if (facts.readings.length < 2) return "";
  return reading === "style-aside" ? ", style aside" : ", as it is";
};

/** A pair's number at a level; null if the run does not have it. */
export const tableValue = (level: number, pair: number, name: string, reading: Reading): number | null => {
  const table = facts.numbers[reading];
  const column = table?.columns.findIndex(([own]) => own === name) ?? -1;
  return column < 0 ? null : table!.rows[level][pair][column];
};

/** A measure with its interval and noise floor. */
export const cellOf = (key: string, level: number, pair: number, reading: Reading): Cell | null => (
  facts.charts[reading]?.find((chart) => chart.key === key)?.rows[level][pair] ?? null);

/** The share of a pair's query that a level lists, or that there is no list. */
export const shareListed = (level: number, pair: number, reading: Reading): string => {
  const share = tableValue(level, pair, "outlier_share", reading) ?? 0;
  if (reading === "as-is" || share > 0) return formatPercent(share);
  return facts.styleAside[level][pair].basis === "ranking" ? "no list" : formatPercent(0);
};

/** The 95% interval of the share that is not like the reference, such as `20% to 30%`; empty without one. */
export const unlikeInterval = (level: number, pair: number, reading: Reading): string => {
  const [, low, high] = cellOf("share_outside", level, pair, reading) ?? [null, null, null];
  return low === null || high === null ? "" : `${formatPercent(low)} to ${formatPercent(high)}`;
};

/** The share that is not like the reference, with its interval; empty where it is not known. */
export const shareUnlike = (level: number, pair: number, reading: Reading): string => {
  const share = tableValue(level, pair, "share_outside", reading);
  const interval = unlikeInterval(level, pair, reading);
  return share === null ? "" : `${formatPercent(share)}${interval && ` (${interval})`}`;
};

/** Whether the two datasets differ beyond noise as a whole; null where that was not tested. */
export const isBeyondNoise = (level: number, pair: number, reading: Reading): boolean | null => (
  cellOf("two_sample", level, pair, reading)?.[4] ?? null);

/** The bound on the share of false entries, such as `10%`. */
export const fdrText = (): string => (facts.fdr === null ? "" : `${Number((facts.fdr * 100).toPrecision(3))}%`);

/** What a list style aside rests on, in a sentence. */
export const basisSentence = (level: number, pair: number): string => {
  const { basis, content } = facts.styleAside[level][pair];
  if (basis === "ranking" && content !== null && content < facts.minContent) {
    return "No list: this level does not see the same content in both; here is the order.";
  }
  if (basis === "ranking") return "No list: some of the look remains, and what may be missing cannot be told from it; here is the order.";
  if (basis === "suggested") return "A suggestion: some of the look remains; no guarantee.";
  return tableValue(level, pair, "outliers", "style-aside") ? `At most ${fdrText()} false, expected.`
    : `None can be listed with at most ${fdrText()} false, expected.`;
};

/** How well a level sees content, in words; null where that was not measured. */
export const contentText = (level: number, pair: number): string | null => {
  const content = facts.styleAside[level].at(pair)?.content ?? null;
  if (content === null) return null;
  return content < facts.minContent ? `${formatPercent(content)}: mostly look, not content` : `sees the same content in both: ${formatPercent(content)}`;
};
