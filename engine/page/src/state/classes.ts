// What the table of classes shows: sorted, and found by a part of the name.
import { computed, signal } from "@preact/signals";
import type { ClassRow } from "../data/classes.ts";

export type ClassKey = "name" | "images" | "reference" | "listed" | "gap" | "noise" | "nearest" | "accuracy" | "ceiling";

export interface ClassSort {
  by: ClassKey;
  isDescending: boolean;
}

/** What is beyond noise first, and of that the largest gap. */
const USUAL: ClassSort = { by: "noise", isDescending: true };

export const classSort = signal<ClassSort>(USUAL);
/** A part of a class's name; empty for all. */
export const classFind = signal("");

const KEYS: readonly string[] = ["name", "images", "reference", "listed", "gap", "noise", "nearest", "accuracy", "ceiling"] satisfies ClassKey[];
const isKey = (text: string): text is ClassKey => KEYS.includes(text);

/** The order as a link holds it, with a minus where large values come first; empty for the usual one. */
export const classSortText = computed((): string => {
  const { by, isDescending } = classSort.value;
  return by === USUAL.by && isDescending === USUAL.isDescending ? "" : `${isDescending ? "-" : ""}${by}`;
});

/** Sorts as `classSortText` says; what is no order, as usual. */
export const sortClassesAsText = (text: string): void => {
  const by = text.replace(/^-/, "");
  classSort.value = isKey(by) ? { by, isDescending: text.startsWith("-") } : USUAL;
};

const keyOf = (row: ClassRow, by: ClassKey): number | string | null => {
  switch (by) {
    case "name": return row.name;
    case "images": return row.images;
    case "reference": return row.referenceImages;
    case "listed": return row.shareListed;
    case "gap": return row.gap;
    case "noise": return row.beyond === null ? null : Number(row.beyond);
    case "nearest": return row.nearest;
    case "accuracy": return row.accuracy;
    case "ceiling": return row.shareOfCeiling;
  }
};

const { compare } = new Intl.Collator("en", { numeric: true });

const compareKeys = (a: number | string | null, b: number | string | null, isDescending: boolean): number => {
  // What is not known comes last either way.
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const order = typeof a === "string" || typeof b === "string" ? compare(String(a), String(b)) : a - b;
  return isDescending ? -order : order;
};

/** The rows whose name has the text in it, in the order; equal ones by their gap, the largest first. */
export const shownClasses = (rows: readonly ClassRow[], find: string, { by, isDescending }: ClassSort): ClassRow[] => {
  const wanted = find.trim().toLowerCase();
  return rows.filter(({ name }) => name.toLowerCase().includes(wanted)).sort((a, b) => (
    compareKeys(keyOf(a, by), keyOf(b, by), isDescending) || compareKeys(a.gap, b.gap, true) || compare(a.name, b.name)));
};
