import assert from "node:assert/strict";
import test from "node:test";
import { makePage } from "./made_page.ts";

await makePage();
const { applyLink, linkNotes, linkText } = await import("../src/state/link.ts");
const { giveColor, givenColors } = await import("../src/state/coloring.ts");
const { filters } = await import("../src/state/filters.ts");
const { sortAsText, sortText } = await import("../src/state/grid.ts");
const state = await import("../src/state/state.ts");
state.openState();

const everything = (): unknown => [
  state.levelNumber.value, state.reading.value, state.pair.value, state.reference.value, state.colorBy.value, state.camera.value,
  state.pinned.value, [...state.selection.value.images].sort((a, b) => a - b), state.selection.value.label,
  state.selection.value.kind, state.scope.value, filters.value, sortText.value,
];

test("a page as it opens has no fragment", () => {
  applyLink("");
  assert.equal(linkText.value, "");
});

test("every state comes back from its link", () => {
  state.show({ level: 0, pair: 1, reading: "style-aside" });
  state.reference.value = 1;
  state.colorBy.value = "column:speed";
  state.camera.value = "45,30,1.5";
  state.pin(7);
  state.select([3, 5, 8, 39], 'search "100% & #"');
  state.scope.value = "all";
  sortAsText("-column:speed");
  filters.value = {
    hidden: new Set([1, 2]), maxQ: 0.05, maxRank: 100, levels: new Set([1]), kinds: new Set([0, -1]),
    columns: new Map([
      ["weather", { kind: "texts", codes: new Set([1, 2, 65534, 65535]) }],
      ["speed", { kind: "range", low: 0.25, high: 0.5, missing: true }],
    ]),
  };
  const [before, link] = [everything(), linkText.value];
  applyLink("");
  assert.notDeepEqual(everything(), before);
  applyLink(link);
  assert.deepEqual(everything(), before);
  assert.deepEqual(linkNotes.value, []);
  assert.match(link, /^[\w.~%+&=*-]+$/);
});

test("a value that was given a color has it after the link too", () => {
  applyLink("");
  state.colorBy.value = "column:weather";
  giveColor(2);
  giveColor(1);
  const link = linkText.value;
  applyLink("");
  applyLink(link);
  assert.deepEqual(givenColors(), [2, 1]);
});

test("a kind that is selected comes back as one", () => {
  applyLink("");
  state.markKind(0);
  const before = everything();
  const link = linkText.value;
  applyLink("");
  applyLink(link);
  assert.deepEqual(everything(), before);
});

test("what is not on the page is told, and the rest is shown", () => {
  state.openState();
  applyLink("");
  state.select([3, 5], "two");
  const link = linkText.value.replace(/select=[^&]+/, (own) => `${own}AAAA`);
  applyLink(link.replace("select=", "pin=0.999&level=P9&select="));
  assert.deepEqual([...state.selection.value.images].sort(), [3, 5]);
  assert.equal(linkNotes.value.length, 3);
});

test("a broken or hostile link does no harm", () => {
  for (const text of ["select=1.%00%00&pin=x", "where={", "select=9.AA~~", "where=[]", "color=column:__proto__", "sort=-column:constructor", "pair=-1&hide=a.b&q=x&level=%F0"]) {
    applyLink(text);
    assert.ok(linkNotes.value.length <= 2);
  }
  assert.equal(state.colorBy.value, "dataset");
});
