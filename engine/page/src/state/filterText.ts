// The filters that are set, in words.
import { MISSING, OTHER } from "../data/columns.ts";
import { columnNumber, datasetName, facts } from "../data/facts.ts";
import { formatInColumn, formatShort, shorten } from "../format.ts";
import type { ColumnFilter } from "./filters.ts";
import { filters } from "./filters.ts";

const TEXTS_TOLD = 3;

const enumerated = (texts: string[]): string => (
  texts.length > TEXTS_TOLD + 1 ? `${texts.slice(0, TEXTS_TOLD).join(", ")} and ${texts.length - TEXTS_TOLD} more` : texts.join(", "));

const columnText = (name: string, filter: ColumnFilter): string => {
  const head = facts.columns[columnNumber(name)];
  if (head.kind === "number" && filter.kind === "range") {
    const range = `${formatInColumn(filter.low, head)} to ${formatInColumn(filter.high, head)}`;
    return head.missing ? `${range}, ${filter.missing ? "with" : "without"} missing` : range;
  }
  const codes = filter.kind === "texts" ? [...filter.codes].sort((a, b) => a - b) : [];
  const rare = new Map([[MISSING, "missing"], [OTHER, "rare values"]]);
  return enumerated(codes.map((code) => rare.get(code) ?? shorten(head.kind === "text" ? head.texts[code] : "", 30)));
};

const datasetsText = (): string => {
  const { hidden } = filters.value;
  return facts.datasets.flatMap((_, dataset) => {
    const name = shorten(datasetName(dataset), 30);
    const [isOthersHidden, isListedHidden] = [hidden.has(2 * dataset), hidden.has(2 * dataset + 1)];
    if (isOthersHidden && isListedHidden) return [`without ${name}`];
    if (isOthersHidden) return [`${name} only listed`];
    return isListedHidden ? [`${name} only not listed`] : [];
  }).join(", ");
};

/** What one of `filtersSet` is about, and what passes it. */
export const filterText = (name: string): { about: string; passes: string } => {
  const { maxQ, maxRank, levels, kinds, columns } = filters.value;
  if (name.startsWith("column:")) {
    const column = name.slice("column:".length);
    return { about: shorten(column, 30), passes: columnText(column, columns.get(column)!) };
  }
  if (name === "q") return { about: "q", passes: `at most ${formatShort(maxQ!)}` };
  if (name === "rank") return { about: "rank", passes: `at most ${maxRank}` };
  if (name === "levels") return { about: "listed at", passes: enumerated([...levels!].sort((a, b) => a - b).map((number) => facts.levels[number].name)) };
  if (name === "kinds") return { about: "kinds", passes: enumerated([...kinds!].sort((a, b) => a - b).map((kind) => (kind < 0 ? "none" : facts.kinds[kind].id))) };
  return { about: "datasets", passes: datasetsText() };
};
