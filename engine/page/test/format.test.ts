import assert from "node:assert/strict";
import test from "node:test";
import { formatInColumn, formatPercent, ordinal } from "../src/format.ts";

test("shares are whole percents, and what is not quite none or all says so", () => {
  // As in tests/unit/compare/test_registry.py, which holds what Python writes.
  assert.deepEqual([0, 0.001, 0.00499, 0.005, 0.00501, 0.125, 0.135, 0.5, 0.9949, 0.995, 0.999, 1].map(formatPercent),
    ["0%", "<1%", "<1%", "0%", "1%", "12%", "14%", "50%", "99%", ">99%", ">99%", "100%"]);
});

test("an ordinal has its ending", () => {
  assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal),
    ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]);
});

test("a number in a column has its unit", () => {
  const column = { name: "", kind: "number", unit: "bytes", low: 0, high: 1, min: 0, max: 1, integer: true, missing: 0 } as const;
  assert.equal(formatInColumn(1_234_567, column), "1.23 MB");
  assert.equal(formatInColumn(640, { ...column, unit: "pixels" }), "640 pixels");
  assert.equal(formatInColumn(0.123456, { ...column, unit: "", integer: false }), "0.1235");
  assert.equal(formatInColumn(NaN, column), "missing");
  assert.equal(formatInColumn(86_400, { ...column, unit: "date", max: 864_000 }), "1970-01-02");
});
