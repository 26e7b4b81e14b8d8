import assert from "node:assert/strict";
import test from "node:test";
import type { Entry, Level } from "../src/data/levels.ts";
import { makePage } from "./made_page.ts";

await makePage(12);
const { images } = await import("../src/data/images.ts");
const { columnValues, setFilters } = await import("../src/state/filters.ts");
const grid = await import("../src/state/grid.ts");
const state = await import("../src/state/state.ts");

// The first dataset has the even images; its list is of three clips, the first of which comes twice.
images.group = Int32Array.from({ length: 12 }, (_, image) => Math.floor(image / 4));
images.groups = ["a", "b", "c"].map((name) => ({ name, images: 4 }));
const LISTED = [2, 8, 0, 4];
const entries = LISTED.map((image, at): Entry => ({ pair: 0, image, rank: at + 1, reason: "outside", p: 0, q: 0.01, score: 9 - at, nearest: at / 2 }));
const scores = Float32Array.from({ length: 6 }, (_, at) => at / 10);
state.level.value = {
  number: 0, reading: "as-is", points: new Float32Array(36), clusters: new Int32Array(12).fill(-1),
  lists: [{ pair: 0, total: 4, entries }, { pair: 1, total: 0, entries: [] }],
  rankings: [0, 1].map((pair) => ({ pair, image: new Int32Array(0), numbers: new Float32Array(0) })),
  entries: new Map(entries.map((entry) => [entry.image, [entry]])), scores: [scores, scores],
} satisfies Level;

const ranked = (): [number, number | null, number][] => grid.cells.value.map(({ image, rank, behind }) => [image, rank, behind]);

test("a clip is one picture with its others behind it, all of one rank", () => {
  assert.deepEqual(ranked(), [[2, 1, 1], [8, 2, 0], [4, 3, 0]]);
  grid.toggleGroup(0);
  assert.deepEqual(ranked(), [[2, 1, 1], [0, 1, 0], [8, 2, 0], [4, 3, 0]]);
  grid.toggleGroup(0);
});

test("ranks stay what they are when filters or another order leave out the first", () => {
  setFilters({ maxRank: 4 });
  grid.sortBy("nearest");
  grid.turnSort();
  assert.deepEqual(ranked(), [[4, 3, 0], [0, 1, 1], [8, 2, 0]]);
  grid.sortBy("rank");
  setFilters({ maxRank: null });
});

test("what is not listed follows what is, the highest score first", () => {
  state.scope.value = "all";
  assert.deepEqual(grid.gridImages.value.slice(0, 6), [2, 8, 0, 4, 10, 11]);
});

test("names are sorted by their numbers, and missing values come last either way", () => {
  grid.sortBy("name");
  assert.deepEqual(grid.gridImages.value, Array.from({ length: 12 }, (_, image) => image));
  columnValues.value = new Map([["speed", Float32Array.from({ length: 12 }, (_, image) => (image === 3 ? NaN : -image))]]);
  grid.sortBy("column:speed");
  assert.deepEqual([grid.gridImages.value[0], grid.gridImages.value.at(-1)], [11, 3]);
  grid.turnSort();
  assert.deepEqual([grid.gridImages.value[0], grid.gridImages.value.at(-1)], [0, 3]);
});

test("a tick in the grid leaves it at what it shows", () => {
  state.scope.value = "listed";
  grid.tick([8], true);
  assert.equal(state.scope.value, "listed");
  assert.equal(state.selection.value.label, "by hand");
  grid.tick([8], false);
  assert.equal(state.selection.value.images.size, 0);
});
