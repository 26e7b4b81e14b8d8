// Numbers as text, the same everywhere.
import type { Format, NumberColumn } from "./data/facts.ts";

const integers = new Intl.NumberFormat("en");

export const formatCount = (value: number): string => integers.format(value);

/** A share in whole percent: `format_share` in compare/registry.py, which rounds halves to even. */
export const formatPercent = (share: number): string => {
  if (share > 0 && share < 0.005) return "<1%";
  if (share >= 0.995 && share < 1) return ">99%";
  const percent = share * 100;
  const rounded = Math.round(percent);
  return `${Math.abs(percent % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded}%`;
};

/** Two significant digits. */
export const formatShort = (value: number): string => (value === 0 ? "0" : Number(value.toPrecision(2)).toString());

export const formatValue = (value: number | null | undefined, format: Format): string => {
  if (value === null || value === undefined) return "–";
  if (format === "percent") return formatPercent(value);
  return format === "count" ? formatCount(value) : Number(value.toPrecision(4)).toString();
};

/** A stranger's text for a line, a label or a name of a control, which no length of it may break. */
export const shorten = (text: string, longest = 60): string => (text.length > longest ? `${text.slice(0, longest - 1)}…` : text);

/** A sentence that begins with a capital. */
export const capitalized = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

export const ordinal = (number: number): string => {
  const last = number % 100 > 10 && number % 100 < 14 ? 0 : number % 10;
  return `${number}${["th", "st", "nd", "rd"][last] ?? "th"}`;
};

export const counted = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;

export const formatImages = (count: number): string => counted(count, "image");

const BYTES = ["bytes", "kB", "MB", "GB", "TB"];
const formatBytes = (value: number): string => {
  const power = Math.min(BYTES.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(value, 1)) / 3)));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${BYTES[power]}`;
};

const DAY = 86_400;
/** A column's number with its unit. */
export const formatInColumn = (value: number, column: NumberColumn): string => {
  if (!Number.isFinite(value)) return "missing";
  if (column.unit === "date") {
    const text = new Date(value * 1000).toISOString();
    return column.max - column.min > 3 * DAY ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ");
  }
  if (column.unit === "bytes") return formatBytes(value);
  const isPlain = Math.abs(value) >= 1e9 || (!column.integer && Math.abs(value) < 1e4);
  const rounded = column.integer ? Math.round(value) : Number(value.toPrecision(4));
  const text = isPlain ? Number(value.toPrecision(4)).toString() : formatCount(rounded);
  return column.unit ? `${text} ${column.unit}` : text;
};
