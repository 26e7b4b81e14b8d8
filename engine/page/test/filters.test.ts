import assert from "node:assert/strict";
import test from "node:test";
import { makePage } from "./made_page.ts";

await makePage();
const { binsOf } = await import("../src/views/filters/bins.ts");
const { passesColumn } = await import("../src/state/filters.ts");

const head = { name: "speed", kind: "number", unit: "", low: 0, high: 100, min: -5, max: 1e6, integer: false, missing: 1 } as const;

test("what lies beyond a column's robust ends has a bin at either end, and every value has one", () => {
  const values = Float32Array.from([-5, 0, 12, 50, 100, 1e6, NaN]);
  const { bins, places, stops } = binsOf(head, values);
  assert.deepEqual(bins.map(({ isBeyond }) => isBeyond).flatMap((is, bin) => (is ? [bin] : [])), [0, bins.length - 1]);
  assert.equal(places[6], bins.length);
  for (const [image, value] of values.slice(0, 6).entries()) {
    const { low, high } = bins[places[image]];
    assert.ok(low <= value && value <= high);
  }
  assert.ok(places[4] < bins.length - 1);
  assert.deepEqual([stops[0].value, stops.at(-1)!.value], [-5, 1e6]);
});

test("few whole numbers have a bin each", () => {
  const values = Float32Array.from([0, 1, 2, 3, 3, 1]);
  const { bins, places } = binsOf({ ...head, low: 0, high: 3, min: 0, max: 3, integer: true, missing: 0 }, values);
  assert.equal(bins.length, 4);
  assert.deepEqual([...places], [0, 1, 2, 3, 3, 1]);
});

test("dates have bins between round dates", () => {
  const [low, high] = ["2026-01-10T05:00Z", "2026-08-19T00:00Z"].map((text) => Date.parse(text) / 1000);
  const { bins } = binsOf({ ...head, unit: "date", low, high, min: low, max: high }, Float64Array.from([low, high]));
  assert.ok(bins.every((bin) => bin.low % 86_400 === 0) && bins[0].low <= low && bins.at(-1)!.high >= high);
});

test("a range holds values at its ends, and missing ones when asked", () => {
  const values = Float32Array.from([0.7, 0.1, NaN]);
  const passing = (missing: boolean): boolean[] => [0, 1, 2].map(passesColumn({ kind: "range", low: 0.1, high: 0.7, missing }, values));
  assert.deepEqual(passing(false), [true, true, false]);
  assert.deepEqual(passing(true), [true, true, true]);
});
