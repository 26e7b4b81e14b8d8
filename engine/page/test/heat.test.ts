import assert from "node:assert/strict";
import test from "node:test";
import { facts } from "../src/data/facts.ts";
import { heatColor, hottestPlace, squareSeen } from "../src/data/heat.ts";
import { makePage } from "./made_page.ts";

test("what is usual in the reference has no color, and the hottest place the strongest", () => {
  assert.equal(heatColor(0.4, 2)[3], 0);
  assert.deepEqual(heatColor(2, 2), heatColor(5, 2));
  assert.deepEqual(heatColor(2, 2).slice(0, 3), [214, 16, 64]);
});

test("the hottest place is named by thirds", () => {
  const parts = new Uint8Array(9);
  parts[6] = 200;
  assert.equal(hottestPlace({ side: 3, top: 1, parts }), "lower left");
});

test("a heat map lies over what the network saw of a picture", async () => {
  await makePage();
  Object.assign(facts, { fit: "crop" });
  assert.deepEqual(squareSeen(200, 100), [25, 0, 50, 100]);
  Object.assign(facts, { fit: "pad" });
  assert.deepEqual(squareSeen(200, 100), [0, -50, 100, 200]);
  Object.assign(facts, { fit: "stretch" });
  assert.deepEqual(squareSeen(200, 100), [0, 0, 100, 100]);
});
