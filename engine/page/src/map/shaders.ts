// The map's programs for WebGL. All colors are multiplied by their opacity.
import { SHAPES, SHAPES_GLSL } from "./shapes.ts";
import { STATE } from "./state.ts";

const HEAD = "#version 300 es\nprecision highp float;\nprecision highp int;\n";

// Points, and over them those that have a ring once more, with it.
export const POINTS = [`${HEAD}${SHAPES_GLSL}
in vec3 from;
in vec3 to;
in vec4 tone;
in uint shape;
in uint state;
uniform mat4 matrix;
uniform vec4 depth;
uniform float moved;
uniform float distanceToCenter;
uniform float isFlat;
uniform float radius;
uniform vec4 ring;
uniform float grown;
uniform float gap;
uniform float width;
uniform float isRound;
flat out vec4 vColor;
flat out vec4 vRing;
flat out float vReach;
flat out float vRadius;
flat out int vShape;
void main() {
  vec3 place = mix(from, to, moved);
  gl_Position = matrix * vec4(place, 1.0);
  float away = dot(depth, vec4(place, 1.0));
  // The root keeps points apart when they come near, and still says what lies in front.
  vRadius = radius * mix(clamp(sqrt(distanceToCenter / max(away, 0.02)), 0.7, 2.5), 1.0, isFlat) + grown;
  vShape = int(shape) % ${SHAPES.length};
  bool isDimmed = (state & ${STATE.dimmed}u) != 0u;
  vColor = vec4(tone.rgb * tone.a, tone.a);
  vRing = vec4(ring.rgb, 1.0) * ring.a * (isDimmed ? 0.25 : 1.0);

  // An outline's corner is farther away than its edges; half a pixel more of every edge is softened.
  float outer = max(0.0, gap + width) * mix(2.0, 1.0, isRound);
  vReach = (max(reach(vShape), isRound) * vRadius + outer + 0.6) / vRadius;
  gl_PointSize = 2.0 * vRadius * vReach;
}`, `${HEAD}${SHAPES_GLSL}
uniform float gap;
uniform float width;
uniform float isRound;
flat in vec4 vColor;
flat in vec4 vRing;
flat in float vReach;
flat in float vRadius;
flat in int vShape;
out vec4 pixel;
void main() {
  vec2 place = (gl_PointCoord * 2.0 - 1.0) * vec2(vReach, -vReach);
  float away = outside(vShape, place) * vRadius;
  pixel = vColor * clamp(0.5 - away, 0.0, 1.0);
  if (width > 0.0) {
    float around = isRound == 1.0 ? (length(place) - 1.0) * vRadius : away;
    float ringed = clamp(0.5 + 0.5 * width - abs(around - gap - 0.5 * width), 0.0, 1.0);
    pixel = vRing * ringed + pixel * (1.0 - vRing.a * ringed);
  }
}`];

// A line is two triangles that are wider than it by a pixel, so that its edges can be softened.
export const LINES = [`${HEAD}
in vec3 start;
in vec3 end;
in vec2 corner;
uniform mat4 matrix;
uniform vec2 size;
uniform float width;
out float vAcross;
void main() {
  vec4 a = matrix * vec4(start, 1.0);
  vec4 b = matrix * vec4(end, 1.0);
  // What lies behind the eye is cut off.
  const float NEAR = 0.01;
  if (a.w < NEAR) a = mix(a, b, clamp((NEAR - a.w) / (b.w - a.w), 0.0, 1.0));
  if (b.w < NEAR) b = mix(b, a, clamp((NEAR - b.w) / (a.w - b.w), 0.0, 1.0));
  vec2 way = (b.xy / b.w - a.xy / a.w) * size;
  vec2 aside = vec2(-way.y, way.x) / max(length(way), 0.0001);
  vAcross = corner.y * (0.5 * width + 1.0);
  gl_Position = corner.x == 0.0 ? a : b;
  gl_Position.xy += aside * vAcross * 2.0 / size * gl_Position.w;
}`, `${HEAD}
uniform vec3 ink;
uniform float width;
in float vAcross;
out vec4 pixel;
void main() {
  pixel = vec4(ink, 1.0) * clamp(0.5 + 0.5 * width - abs(vAcross), 0.0, 1.0);
}`];
