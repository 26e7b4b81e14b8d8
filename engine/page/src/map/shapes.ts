// The shapes of the datasets' points. One description serves the shader, the legend and the exported picture.
type Corner = readonly [x: number, y: number];

export interface Shape {
  readonly name: string;
  /** Convex parts that make up the shape, each by its corners, y up; none for the disc of radius 1. */
  readonly parts: readonly (readonly Corner[])[];
}

const box = (halfWidth: number, halfHeight: number): Corner[] => [
  [halfWidth, halfHeight], [-halfWidth, halfHeight], [-halfWidth, -halfHeight], [halfWidth, -halfHeight],
];
const regular = (corners: number, radius: number, first: number): Corner[] => Array.from({ length: corners }, (_, at) => {
  const angle = ((first + (360 * at) / corners) * Math.PI) / 180;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
});
const turned = (part: readonly Corner[]): Corner[] => part.map(([x, y]) => [(x - y) * Math.SQRT1_2, (x + y) * Math.SQRT1_2]);

// All have the disc's area, so that no dataset looks larger or heavier than another.
const PLUS = [box(1.223, 0.38), box(0.38, 1.223)];

/** A dataset's shape is the one at its number, and from the ninth on they come again. */
export const SHAPES: readonly Shape[] = [
  { name: "disc", parts: [] },
  { name: "square", parts: [box(0.886, 0.886)] },
  { name: "triangle", parts: [regular(3, 1.555, 90)] },
  { name: "diamond", parts: [regular(4, 1.253, 0)] },
  { name: "plus", parts: PLUS },
  { name: "triangle down", parts: [regular(3, 1.555, -90)] },
  { name: "cross", parts: PLUS.map(turned) },
  { name: "bar", parts: [box(1.4, 0.561)] },
];

/** Half the side of the smallest square around each shape, in radii of the disc. */
const REACHES = SHAPES.map(({ parts }) => Math.max(1, ...parts.flat(2).map(Math.abs)));

/** An SVG path of a shape around a place, y down. */
export const shapePath = (shape: number, radius: number, x = 0, y = 0): string => {
  const at = (value: number): number => Math.round(value * 100) / 100;
  const { parts } = SHAPES[shape % SHAPES.length];
  if (!parts.length) {
    const arc = `a${at(radius)} ${at(radius)} 0 1 0`;
    return `M${at(x - radius)} ${at(y)}${arc} ${at(2 * radius)} 0${arc} ${at(-2 * radius)} 0z`;
  }
  return parts.map((part) => `M${part.map(([px, py]) => `${at(x + radius * px)} ${at(y - radius * py)}`).join("L")}z`).join("");
};

const glsl = (value: number): string => value.toFixed(4);

/**
 * GLSL: `float outside(int shape, vec2 place)`, the signed distance of a place from a shape's outline, and
 * `float reach(int shape)`, half the side of the smallest square around it. All in radii of the disc.
 */
export const SHAPES_GLSL = (() => {
  // A convex part is what lies inside of all its edges. Its outlines at a distance keep their corners.
  const part = (corners: readonly Corner[]): string => corners.map((from, at) => {
    const to = corners[(at + 1) % corners.length];
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const [nx, ny] = [(to[1] - from[1]) / length, (from[0] - to[0]) / length];
    return `dot(place, vec2(${glsl(nx)}, ${glsl(ny)})) - ${glsl(nx * from[0] + ny * from[1])}`;
  }).reduce((rest, edge) => `max(${rest}, ${edge})`);
  const distances = SHAPES.map(({ parts }, shape) => {
    const distance = parts.length ? parts.map(part).reduce((rest, own) => `min(${rest}, ${own})`) : "length(place) - 1.0";
    return `  if (shape == ${shape}) return ${distance};`;
  });
  const reaches = REACHES.map((reach, shape) => `  if (shape == ${shape}) return ${glsl(reach)};`);
  return `float outside(int shape, vec2 place) {\n${distances.join("\n")}\n  return 1.0;\n}\n`
    + `float reach(int shape) {\n${reaches.join("\n")}\n  return 1.0;\n}\n`;
})();
