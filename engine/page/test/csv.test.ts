import assert from "node:assert/strict";
import test from "node:test";
import { csvText } from "../src/csv.ts";

test("what a table holds can be read back", () => {
  assert.equal(csvText([["a", "b"], ['say "x, y"', "two\r\nlines"]]), 'a,b\r\n"say ""x, y""","two\r\nlines"\r\n');
});

test("no text is a formula, and taking one apostrophe off gives each back", () => {
  const texts = ["=1+1", "@sum", "-cmd|' /C calc'!A0", "+x", "\t=1", "'=1", "''-x"];
  assert.deepEqual(csvText([texts]).trimEnd().split(","), texts.map((text) => `'${text}`));
});

test("numbers stay numbers, and an apostrophe elsewhere stays alone", () => {
  const texts = ["-0.5", "+3", "-1.2e-7", ".5", "'tis", "a=b", ""];
  assert.equal(csvText([texts]), `${texts.join(",")}\r\n`);
});
