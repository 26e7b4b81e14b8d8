// The table of classes, and which images have a value of a column.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClassRow } from "../src/data/classes.ts";
import { classImages, countOnPage } from "../src/data/classes.ts";
import type { ColumnHead } from "../src/data/facts.ts";
import { makePage } from "./made_page.ts";

await makePage();
const { classSort, classSortText, shownClasses, sortClassesAsText } = await import("../src/state/classes.ts");
const { holdsValue } = await import("../src/state/causes.ts");
const { exportCommand, shellWord } = await import("../src/views/ExportCommand.tsx");

const row = (name: string, gap: number | null, beyond: boolean | null, images = 9): ClassRow => ({
  name, images, groups: images, referenceImages: 5, referenceGroups: 5, shareListed: gap, gap, gapLow: null, gapHigh: null, beyond,
  nearest: null, nearestShare: null, accuracy: null, shareOfCeiling: null,
});

const ROWS = [row("class 10", 0.2, true), row("Class 9", 0.8, false), row("owl", 0.9, true), row("none", null, null, 0)];
const names = (find = ""): string[] => shownClasses(ROWS, find, classSort.value).map(({ name }) => name);

test("what is beyond noise comes first, the largest gap of that before the others, and what is not known last", () => {
  assert.deepEqual(names(), ["owl", "class 10", "Class 9", "none"]);
  assert.equal(classSortText.value, "");
});

test("classes are sorted either way, and what is not known stays last", () => {
  for (const text of ["gap", "-gap", "name", "-images", "-noise"]) {
    sortClassesAsText(text);
    assert.equal(classSortText.value, text === "-noise" ? "" : text);
  }
  sortClassesAsText("gap");
  assert.deepEqual(names(), ["class 10", "Class 9", "owl", "none"]);
  sortClassesAsText("name");
  assert.deepEqual(names(), ["Class 9", "class 10", "none", "owl"]);
  assert.deepEqual(names(" CLASS "), ["Class 9", "class 10"]);
  sortClassesAsText("__proto__");
  assert.equal(classSortText.value, "");
});

test("an image with several classes is of each of them", () => {
  const classes = { names: ["cat", "dog"], ends: Int32Array.of(0, 1, 1, 3), label: Int32Array.of(1, 0, 1), pairs: [] };
  assert.deepEqual([classImages(classes, 0), classImages(classes, 1), classImages(classes, -1)], [[2], [0, 2], []]);
  assert.deepEqual([...countOnPage(classes)], [1, 2]);
});

const number = { name: "sun", kind: "number", unit: "", low: 0, high: 1, min: 0, max: 1, integer: false, missing: 0 } satisfies ColumnHead;
const text = { name: "weather", kind: "text", unit: "", texts: ["sun", "true"], counts: [1, 1], missing: 0, other: 0 } satisfies ColumnHead;
const value = (label: string, low: number | null = null, high: number | null = null): Parameters<typeof holdsValue>[1] => ({ label, low, high, images: 1, enough: true });

test("every value of a column is of one of its ranges, though the page rounds it to 32 bits", () => {
  const ranges = [value("low", null, 0.1), value("middle", 0.1, 0.7), value("high", 0.7, 0.9)];
  for (const own of [-5, 0, 0.1, 0.3, 0.7, 0.9]) {
    const held = ranges.filter((range, at) => holdsValue(number, range, at === 2)!(Math.fround(own)));
    assert.equal(held.length, 1, String(own));
  }
  assert.equal(holdsValue(number, value("0.1"), false)!(Math.fround(0.1)), true);
  assert.equal(holdsValue(number, value("fog"), false), null);
});

test("a value that the page does not tell apart cannot be selected", () => {
  assert.equal(holdsValue(text, value("True"), false)!(1), true);
  assert.equal(holdsValue(text, value("other values"), false), null);
});

test("a command is safe to paste", () => {
  assert.equal(shellWord("run-1/a"), "run-1/a");
  assert.equal(shellWord("a; rm 'x'"), "'a; rm '\\''x'\\'''");
  assert.match(exportCommand("--kind K1"), /--to coco --kind K1 --pick 50$/);
});
