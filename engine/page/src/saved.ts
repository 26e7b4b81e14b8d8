// Images as files of the user's: a list of their names, or a table of all that the page knows of them.
import { loadColumn } from "./data/columns.ts";
import { plainValue } from "./data/columnText.ts";
import { datasetName, facts } from "./data/facts.ts";
import { images } from "./data/images.ts";
import { loadNeighbors } from "./data/neighbors.ts";
import { csvText, download } from "./csv.ts";
import { distanceAgainst, entryOf, judgingPairs, scoreAgainst } from "./state/standing.ts";
import { fail, level } from "./state/state.ts";

/** Saves one URI a line. */
export const saveList = (some: readonly number[], name: string): void => {
  download(`gapscope-${name}.txt`, some.map((image) => `${images.uri(image)}\n`).join(""), "text/plain");
};

const number = (value: number | undefined): string => (
  value === undefined || !Number.isFinite(value) ? "" : Number(value.toPrecision(6)).toString());

const writeTable = async (some: readonly number[], name: string): Promise<void> => {
  const own = level.value;
  if (!own) return;
  const pairs = judgingPairs();
  const [near, columns] = await Promise.all([
    facts.pairs.length ? loadNeighbors(own.number, own.reading) : null, Promise.all(facts.columns.map((_, column) => loadColumn(column)))]);
  const head = [
    "dataset", "row", "uri", "level", "reading", "against", "rank", "q", "score", "nearest_distance", "cluster", "kind",
    ...facts.columns.map((column) => column.name),
  ];
  const rows = some.map((image) => {
    const pair = pairs[images.dataset[image]];
    const entry = entryOf(own, pair, image);
    return [
      datasetName(images.dataset[image]), String(images.row[image]), images.uri(image),
      facts.levels[own.number].name, own.reading, pair < 0 ? "" : datasetName(facts.pairs[pair][1]),
      number(entry?.rank), number(entry?.q), number(scoreAgainst(own, pair, image)), number(distanceAgainst(own, near, pair, image)),
      own.clusters[image] < 0 ? "" : String(own.clusters[image]), images.kind[image] < 0 ? "" : facts.kinds[images.kind[image]].id,
      ...facts.columns.map((column, at) => plainValue(columns[at][image], column)),
    ];
  });
  download(`gapscope-${name}.csv`, csvText([head, ...rows]), "text/csv");
};

/** Saves a row per image: where it is from, how it stands at the level that is shown, and its columns. */
export const saveTable = (some: readonly number[], name: string): void => {
  writeTable(some, name).catch(fail);
};
