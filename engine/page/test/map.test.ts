import assert from "node:assert/strict";
import test from "node:test";
import type { Camera, Vector } from "../src/map/camera.ts";
import { DEFAULT_CAMERA, cameraFromText, cameraToText, lookAlong, pan, project, turn, zoom } from "../src/map/camera.ts";
import { densityAround } from "../src/map/density.ts";
import { backToFront } from "../src/map/order.ts";
import { boxBetween, isInside } from "../src/map/polygon.ts";
import { SHAPES, shapePath } from "../src/map/shapes.ts";
import { STATE } from "../src/map/state.ts";
import { rgbOf, toned } from "../src/map/tones.ts";

// Where a place of the cube is on a canvas, from its middle and up, in halves of its height.
const seen = (camera: Camera, [x, y, z]: Vector, width = 900, height = 900): [number, number] => {
  const m = project(camera, width, height).matrix;
  const row = (at: number): number => m[at] * x + m[4 + at] * y + m[8 + at] * z + m[12 + at];
  return [((row(0) / row(3)) * width) / height, row(1) / row(3)];
};
const assertNear = (actual: readonly number[], expected: readonly number[], tolerance = 1e-3): void => {
  actual.forEach((value, at) => assert.ok(Math.abs(value - expected[at]) < tolerance, `${String(actual)} is not ${String(expected)}`));
};

test("the first camera stands where the stills' stands", () => {
  const [eye, center]: [number[], number[]] = [[0.98, 0.98, 0.54], [0, 0, -0.03]];
  const cross = (a: number[], b: number[]): number[] => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const dot = (a: readonly number[], b: readonly number[]): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const unit = (a: number[]): number[] => a.map((value) => value / Math.hypot(...a));
  const forward = unit(center.map((value, at) => value - eye[at]));
  const right = unit(cross(forward, [0, 0, 1]));
  const up = cross(right, forward);
  for (const place of [[0, 0, -0.03], [0.5, 0, 0], [-0.2, 0.4, 0.3], [0.1, -0.5, -0.5]] as const) {
    const from = place.map((value, at) => value - eye[at]);
    const zoomed = 1 / Math.tan(Math.PI / 8) / dot(from, forward);
    assertNear(seen(DEFAULT_CAMERA, place, 1200, 900), [dot(from, right) * zoomed, dot(from, up) * zoomed]);
  }
});

test("a narrow canvas shows the cube's whole width", () => {
  const corners = [-0.5, 0.5].flatMap((x) => [-0.5, 0.5].map((y): Vector => [x, y, 0]));
  for (const [width, height] of [[390, 700], [600, 600], [1400, 700]]) {
    for (const corner of corners) assert.ok(Math.abs(seen(DEFAULT_CAMERA, corner, width, height)[0]) <= 1.03 * width / height);
  }
});

test("views along the axes are flat, and have the other axes to the right and up", () => {
  const [east, north, up]: Vector[] = [[0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3]];
  const unit = seen(lookAlong("z"), east)[0];
  assert.ok(unit > 0.2);
  const expected = { x: [[0, 0], [unit, 0], [0, unit]], y: [[unit, 0], [0, 0], [0, unit]], z: [[unit, 0], [0, unit], [0, 0]] };
  for (const axis of ["x", "y", "z"] as const) [east, north, up].forEach((place, at) => assertNear(seen(lookAlong(axis), place), expected[axis][at]));
  // Flat: what is nearer is no larger.
  assertNear(seen(lookAlong("z"), [0.3, 0, 0.4]), seen(lookAlong("z"), [0.3, 0, -0.4]));
});

test("a point that is dragged follows the pointer, in perspective and flat, on wide and narrow canvases", () => {
  for (const camera of [DEFAULT_CAMERA, lookAlong("x")]) {
    for (const [width, height] of [[900, 600], [390, 700]]) {
      const before = seen(camera, camera.center, width, height);
      const after = seen(pan(camera, 0.1, -0.05, width, height), camera.center, width, height);
      assertNear([after[0] - before[0], after[1] - before[1]], [0.2, 0.1]);
    }
  }
});

test("a camera survives a link, and what is no camera is the first one", () => {
  assert.equal(cameraToText(DEFAULT_CAMERA), "");
  for (const camera of [turn(DEFAULT_CAMERA, -170.5, 30), zoom(lookAlong("y"), 3), pan(DEFAULT_CAMERA, 0.2, 0.1, 9, 6)]) {
    const text = cameraToText(camera);
    assert.equal(encodeURIComponent(text), text);
    assert.equal(cameraToText(cameraFromText(text)), text);
    assertNear(seen(cameraFromText(text), [0.2, 0.3, 0.1]), seen(camera, [0.2, 0.3, 0.1]), 0.01);
  }
  for (const text of ["", "1_2", "a_b_c_d_e_f", "1_2_3_4_5_6_7", "1_2_NaN_0_0_0", "1e999_0_1_0_0_0"]) assert.deepEqual(cameraFromText(text), DEFAULT_CAMERA);
  const far = cameraFromText("9000_900_1e9_50_-50_0");
  assert.ok(far.elevation <= 90 && far.distance < 100 && far.center.every((value) => Math.abs(value) <= 1));
});

test("the camera goes around and not over the top, and neither into nor away from the map for good", () => {
  assert.equal(turn(DEFAULT_CAMERA, 0, 500).elevation, 90);
  assertNear([turn(DEFAULT_CAMERA, 360, 0).azimuth], [DEFAULT_CAMERA.azimuth]);
  assert.ok(zoom(DEFAULT_CAMERA, 1e9).distance > 0);
  assert.ok(zoom(DEFAULT_CAMERA, 1e-9).distance < 100);
});

test("a lasso holds what its line encloses, also where it crosses itself", () => {
  const arch = [[0, 0], [4, 0], [4, 4], [3, 4], [3, 1], [1, 1], [1, 4], [0, 4]].map(([x, y]) => ({ x, y }));
  assert.ok(isInside(arch, 0.5, 3) && isInside(arch, 2, 0.5) && !isInside(arch, 2, 3) && !isInside(arch, 5, 0.5));
  const star = [0, 2, 4, 1, 3].map((corner) => ({ x: Math.cos(corner * 1.2566), y: Math.sin(corner * 1.2566) }));
  assert.ok(isInside(star, 0, 0) && !isInside(star, -0.9, 0));
  assert.ok(isInside(boxBetween({ x: 5, y: 1 }, { x: 2, y: 7 }), 3, 4) && !isInside(boxBetween({ x: 5, y: 1 }, { x: 2, y: 7 }), 1, 4));
  assert.ok(!isInside([], 0, 0));
});

test("no shape looks larger than another", () => {
  // Counted from the shapes' own parts, on a fine grid.
  const step = 0.01;
  for (const { name, parts } of SHAPES) {
    const polygons = parts.map((part) => part.map(([x, y]) => ({ x, y })));
    let area = 0;
    for (let x = -1.6; x < 1.6; x += step) {
      for (let y = -1.6; y < 1.6; y += step) {
        if (parts.length ? polygons.some((polygon) => isInside(polygon, x, y)) : Math.hypot(x, y) < 1) area += step * step;
      }
    }
    assert.ok(Math.abs(area / Math.PI - 1) < 0.02, `${name}: ${area}`);
  }
  assert.equal(new Set(SHAPES.map((_, shape) => shapePath(shape, 5))).size, SHAPES.length);
  assert.equal(shapePath(SHAPES.length + 1, 10, 20, 30), "M28.86 21.14L11.14 21.14L11.14 38.86L28.86 38.86z");
});

test("images are drawn from back to front", () => {
  const positions = new Float32Array([0, 0, 0, 0.5, 0, 0, -0.5, 0, 0, 0.2, 0, 0, 0.2, 0, 0]);
  assert.deepEqual([...backToFront(new Uint32Array([0, 1, 2, 3, 4]), positions, [1, 0, 0, 0])], [1, 3, 4, 0, 2]);
  assert.deepEqual([...backToFront(new Uint32Array([4, 2, 1]), positions, [-1, 0, 0, 9])], [2, 4, 1]);
  assert.deepEqual([...backToFront(new Uint32Array(), positions, [1, 0, 0, 0])], []);
});

test("an image among many is in a dense place, and one alone is not", () => {
  const count = 500;
  const positions = new Float32Array(3 * count);
  for (let at = 0; at < 3 * (count - 100); at++) positions[at] = 0.02 * Math.sin(at * 12.9898);
  for (let at = 3 * (count - 100); at < positions.length; at++) positions[at] = 0.45 * Math.sin(at * 78.233);
  const density = densityAround(positions, () => true);
  const mean = (values: Uint8Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(mean(density.subarray(0, count - 100)) > 150 && mean(density.subarray(count - 100)) < 50);
  // What is not on the map makes no place dense.
  assert.ok(mean(densityAround(positions, (image) => image >= count - 100).subarray(0, count - 100)) < 100);
  assert.deepEqual([...densityAround(new Float32Array([0, 0, 0]), () => true)], [0]);
});

test("dense places are deeper and sparse ones lighter, on both grounds; few images, and marked ones, keep their color", () => {
  const [blue, states] = [[0, 114, 178, 255], [STATE.drawn, STATE.drawn, STATE.drawn, STATE.drawn | STATE.outlier, STATE.drawn | STATE.dimmed]];
  const tones = (ground: string, drawn: number): number[][] => {
    const made = toned(new Uint8Array(states.flatMap(() => blue)), new Uint8Array(states), new Uint8Array([0, 128, 255, 255, 0]), drawn, rgbOf(ground));
    return states.map((_, image) => [...made.subarray(4 * image, 4 * image + 4)]);
  };
  const light = ([red, green, blue]: number[]): number => red + green + blue;
  const [sparse, middle, dense, outlier, dimmed] = tones("#ffffff", 50_000);
  assert.ok(light(sparse) > light(middle) && light(middle) > light(dense));
  assert.ok(sparse[3] < dense[3] && dimmed[3] < sparse[3]);
  assert.deepEqual(outlier, blue);
  const dark = tones("#0e1114", 50_000);
  assert.ok(light(dark[0]) < light(dark[1]) && light(dark[1]) < light(dark[2]));
  assert.deepEqual(tones("#ffffff", 200).slice(0, 3).map((tone) => tone.slice(0, 3)), [0, 1, 2].map(() => blue.slice(0, 3)));
});
