// Columns as causes: which one is open, and the images that have one of its values.
import { signal } from "@preact/signals";
import type { ColumnValue } from "../data/causes.ts";
import { loadColumn } from "../data/columns.ts";
import type { ColumnHead } from "../data/facts.ts";
import { columnNumber, facts } from "../data/facts.ts";
import { images, imagesWhere } from "../data/images.ts";
import { shorten } from "../format.ts";
import { fail, select } from "./state.ts";

/** `cause:` or `wanted:`, and a column's name; null while none is open but those that open by themselves. */
export const openColumn = signal<string | null>(null);

/** Tells of an image's value whether it is the one of a column that is shown; null where that cannot be told. */
export const holdsValue = (head: ColumnHead, value: ColumnValue, isLast: boolean): ((own: number) => boolean) | null => {
  if (head.kind === "text") {
    const wanted = value.label.toLowerCase();
    const code = Math.max(head.texts.indexOf(value.label), head.texts.findIndex((text) => text.toLowerCase() === wanted));
    return code < 0 ? null : (own) => own === code;
  }
  // A number that the run takes for a category has its value as its name.
  if (value.low === null && value.high === null) return value.label !== "" && Number.isFinite(Number(value.label)) ? (own) => own === Math.fround(Number(value.label)) : null;
  const round = head.unit === "date" ? Number : Math.fround;
  const [low, high] = [round(value.low ?? -Infinity), round(value.high ?? Infinity)];
  return (own) => own >= low && (isLast ? own <= high : own < high || low === high && own === low);
};

/** Selects a dataset's images that have a value of a column of the page's. */
export const selectValue = (name: string, dataset: number, value: ColumnValue, isLast: boolean, isAdded: boolean): void => {
  const number = columnNumber(name);
  const holds = number < 0 ? null : holdsValue(facts.columns[number], value, isLast);
  if (!holds) return;
  loadColumn(number).then((values) => {
    const own = imagesWhere((image) => images.dataset[image] === dataset && holds(values[image]));
    select(own, `${shorten(name)}: ${shorten(value.label)}`, isAdded ? "add" : "replace");
  }).catch(fail);
};
