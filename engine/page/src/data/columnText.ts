// Values of columns as texts.
import { formatInColumn } from "../format.ts";
import { MISSING, OTHER } from "./columns.ts";
import type { ColumnHead } from "./facts.ts";

/** A column's value as the page says it, with its unit. */
export const columnText = (value: number, head: ColumnHead): string => {
  if (head.kind === "number") return formatInColumn(value, head);
  if (value === MISSING) return "missing";
  return value === OTHER ? "one of the rare values" : head.texts[value];
};

/** A column's value for a table that a program reads: empty where it is missing. */
export const plainValue = (value: number, head: ColumnHead): string => {
  if (head.kind === "text") return value === MISSING ? "" : columnText(value, head);
  if (!Number.isFinite(value)) return "";
  return head.unit === "date" ? new Date(value * 1000).toISOString() : Number(value.toPrecision(7)).toString();
};
