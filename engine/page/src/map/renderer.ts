// Draws the map with WebGL: points that move between levels, rings around some of them, and a faint grid behind.
//
// No dataset paints over another: every picture draws its points from back to front. How many images lie in a place is
// said by the tone of their points, from light and clear to deep, by the logarithm of the density in space.
// Summing up what covers each pixel instead, with a logarithm after it, shows density as well, but needs textures of
// floats and twice the time; its mean of two datasets' colors is the color of neither, and a few images in front of many
// vanish in it.
import * as twgl from "twgl.js";
import type { Camera, Projection } from "./camera.ts";
import { DEFAULT_CAMERA, project } from "./camera.ts";
import { VERTICES_OF_FACE, gridLines, intoCube } from "./cube.ts";
import { densityAround } from "./density.ts";
import { backToFront } from "./order.ts";
import type { Place } from "./polygon.ts";
import { isInside } from "./polygon.ts";
import { LINES, POINTS } from "./shaders.ts";
import { MARKED, STATE } from "./state.ts";
import { rgbOf, toned } from "./tones.ts";

/** Colors as #rrggbb. */
export interface MapTheme {
  readonly ground: string;
  readonly grid: string;
  readonly outlier: string;
  readonly selected: string;
  readonly neighbor: string;
  readonly pinned: string;
}

/** How n images look. */
export interface Look {
  /** (n, 4), red, green, blue and opacity. */
  readonly color: Uint8Array;
  /** A number of `SHAPES` for each. */
  readonly shape: Uint8Array;
  /** A sum of `STATE` for each. */
  readonly state: Uint8Array;
}

/** A point for a picture of vectors, in pixels. */
export interface VisiblePoint {
  readonly image: number;
  readonly x: number;
  readonly y: number;
  /** From the eye, in sides of the cube. */
  readonly depth: number;
  readonly radius: number;
  /** From 0 to 255. */
  readonly rgba: readonly [number, number, number, number];
  readonly shape: number;
  readonly state: number;
}

export interface MapEvents {
  /** The browser has taken the graphics memory away, or has given it back and the map is drawn again. */
  readonly onContext: (isThere: boolean) => void;
}

interface Ring {
  readonly bit: number;
  readonly ink: keyof MapTheme;
  readonly opacity: number;
  /** Pixels between a point and its ring, and of the ring. */
  readonly gap: number;
  readonly width: number;
  /** Around the point; else along its outline. */
  readonly isRound: boolean;
}

// From below to above.
const RINGS_DRAWN: readonly Ring[] = [
  { bit: STATE.outlier, ink: "outlier", opacity: 0.75, gap: -0.25, width: 1, isRound: false },
  { bit: STATE.neighbor, ink: "neighbor", opacity: 1, gap: 3, width: 1.5, isRound: true },
  { bit: STATE.selected, ink: "selected", opacity: 1, gap: 0.75, width: 1.75, isRound: true },
  { bit: STATE.pinned, ink: "pinned", opacity: 1, gap: 5, width: 2.25, isRound: true },
];

/** Pixels by which points with a ring are larger. */
const RINGED_GROWTH = 0.6;

/** Milliseconds that points take to a new place. */
const MOVE_TIME = 600;
/** More pixels than these are stretched: screens with four times as many would be four times as slow, for little. */
const MOST_PIXELS = 4_200_000;
/** Milliseconds to wait for a picture, above which a moving map draws fewer images, and below which it draws more again. */
const [SLOW, FAST] = [36, 22];
/** Moving, a map draws no smaller share of its images than this. */
const LEAST_SHARE = 0.25;
/** So many images with rings are drawn while the map moves too. */
const MANY_RINGS = 4000;
/** After so many milliseconds without a move, all images are drawn. */
const REST = 160;

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
const ease = (t: number): number => (t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2);
const inkOf = (hex: string): number[] => rgbOf(hex).map((value) => value / 255);

// The images that are drawn, in the page's order, which mixes the datasets; those with a ring first, unless they are many.
const drawnOf = (state: Uint8Array): Uint32Array<ArrayBuffer> => {
  const drawn = Uint32Array.from(state.keys()).filter((image) => state[image] & STATE.drawn);
  const marked = drawn.filter((image) => state[image] & MARKED);
  if (marked.length > MANY_RINGS) return drawn;
  const sorted = new Uint32Array(drawn.length);
  sorted.set(marked);
  sorted.set(drawn.filter((image) => !(state[image] & MARKED)), marked.length);
  return sorted;
};

interface Drawing {
  readonly points: twgl.ProgramInfo;
  readonly lines: twgl.ProgramInfo;
  readonly cloud: twgl.BufferInfo;
  readonly grid: twgl.BufferInfo;
  readonly pointsLayout: twgl.VertexArrayInfo;
  readonly gridLayout: twgl.VertexArrayInfo;
  readonly order: WebGLBuffer;
}

export class MapRenderer {
  readonly #canvas: HTMLCanvasElement;
  readonly #gl: WebGL2RenderingContext;
  readonly #sizes: ResizeObserver;
  readonly #lifetime = new AbortController();
  #drawing: Drawing | null = null;
  #size = { width: 1, height: 1 };
  #camera: Camera = DEFAULT_CAMERA;
  #theme: MapTheme = { ground: "#ffffff", grid: "#d9dcdf", outlier: "#15181c", selected: "#0072b2", neighbor: "#15181c", pinned: "#15181c" };
  #from: Float32Array<ArrayBuffer> = new Float32Array();
  #to: Float32Array<ArrayBuffer> = new Float32Array();
  #look: Look = { color: new Uint8Array(), shape: new Uint8Array(), state: new Uint8Array() };
  /** The images that are drawn, so that the first of them are a sample. */
  #drawn = new Uint32Array();
  /** How densely the drawn images lie around each, and the colors in which they are drawn; null when to be found anew. */
  #density: Uint8Array | null = null;
  #tones: Uint8Array | null = null;
  /** When the points began to move; null while they rest. */
  #moveBegan: number | null = null;
  #frame = 0;
  /** The share of the images that is drawn while the map moves. */
  #share = 1;
  /** Whether what is drawn next is one of many pictures of a map that moves. */
  #isMoving = false;
  /** When the next picture was asked for, and the milliseconds that pictures in motion keep one waiting. */
  #asked = 0;
  #wait = (SLOW + FAST) / 2;
  #rest = 0;
  #pointsDrawn = 0;
  #drawings = 0;
  /** x and y in pixels and the depth of every image as last drawn; null when they must be found anew. */
  #places: Float32Array | null = null;

  /**
   * Draws into `canvas`, which the page lays out, whenever something has changed.
   *
   * @throws Error, in words for the page, where the browser cannot draw the map.
   */
  constructor(canvas: HTMLCanvasElement, events: MapEvents) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: false });
    if (!gl) throw new Error("This browser has no WebGL 2, which the 3-D map needs. Everything else on this page works without it.");
    [this.#canvas, this.#gl] = [canvas, gl];
    this.#start();
    const { signal } = this.#lifetime;
    canvas.addEventListener("webglcontextlost", (event) => {
      // Without this, the browser never gives it back.
      event.preventDefault();
      this.#drawing = null;
      events.onContext(false);
    }, { signal });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#start();
      this.#draw();
      events.onContext(true);
    }, { signal });
    // A canvas that changes its size is blank until it is drawn.
    this.#sizes = new ResizeObserver(() => this.#draw());
    this.#sizes.observe(canvas);
    this.#fit();
  }

  get camera(): Camera {
    return this.#camera;
  }

  set camera(camera: Camera) {
    this.#camera = camera;
    this.#redraw(true);
  }

  set theme(theme: MapTheme) {
    this.#theme = theme;
    this.#tones = null;
    this.#redraw();
  }

  /** How many images the last picture on the canvas shows. */
  get pointsDrawn(): number {
    return this.#pointsDrawn;
  }

  /** How many pictures were drawn on the canvas. */
  get drawings(): number {
    return this.#drawings;
  }

  /** In CSS pixels. */
  get size(): { readonly width: number; readonly height: number } {
    return this.#size;
  }

  /** Takes (n, 3) positions of all images in any unit; where `animate` is set and n is as before, the points move there. */
  setPoints(points: Float32Array, animate: boolean): void {
    const to = intoCube(points);
    const moves = animate && this.#to.length === to.length && to.length > 0;
    this.#from = moves ? this.#positions() : to;
    this.#to = to;
    this.#moveBegan = moves ? performance.now() : null;
    [this.#density, this.#tones] = [null, null];
    this.#fillBuffer("from", this.#from);
    this.#fillBuffer("to", this.#to);
    this.#redraw(moves);
  }

  /** Sets all of the images' look at first, later a part of it; the arrays hold as many images as the points. */
  setLook(look: Partial<Look>): void {
    this.#look = { ...this.#look, ...look };
    if (look.state) {
      this.#drawn = drawnOf(look.state);
      this.#density = null;
    }
    this.#tones = null;
    for (const name of ["shape", "state"] as const) if (look[name]) this.#fillBuffer(name, look[name]);
    this.#redraw();
  }

  /** The image that is drawn within `reach` pixels of a place on the canvas, or null; of those about equally near to it, the one in front. */
  pick(x: number, y: number, reach = 6): number | null {
    const places = this.#placesNow();
    const { state } = this.#look;
    const { radiusAt } = this.#view(this.#size.width, this.#size.height);
    const near: { image: number; away: number; depth: number }[] = [];
    let least = Infinity;
    for (let image = 0; image < state.length; image++) {
      const at = 3 * image;
      const [right, down] = [places[at] - x, places[at + 1] - y];
      // Most images are far off, and need no root.
      if (!(Math.abs(right) < 40 && Math.abs(down) < 40) || !(state[image] & STATE.drawn)) continue;
      const away = Math.max(0, Math.hypot(right, down) - radiusAt(places[at + 2]));
      if (away > reach) continue;
      near.push({ image, away, depth: places[at + 2] });
      least = Math.min(least, away);
    }
    const nearest = near.filter(({ away }) => away <= least + 1.5);
    return nearest.length ? nearest.reduce((best, other) => (other.depth < best.depth ? other : best)).image : null;
  }

  /** The images that are drawn inside of a polygon on the canvas. */
  imagesIn(polygon: readonly Place[]): number[] {
    const places = this.#placesNow();
    const { state } = this.#look;
    const [xs, ys] = [polygon.map(({ x }) => x), polygon.map(({ y }) => y)];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const images: number[] = [];
    for (let image = 0; image < state.length; image++) {
      const [x, y] = [places[3 * image], places[3 * image + 1]];
      if (state[image] & STATE.drawn && x >= left && x <= right && y >= top && y <= bottom && isInside(polygon, x, y)) images.push(image);
    }
    return images;
  }

  /** Where an image's point is on the canvas, whether or not it is drawn; null where it is behind the eye. */
  place(image: number): (Place & { readonly radius: number }) | null {
    const places = this.#placesNow();
    const [x, y, depth] = places.subarray(3 * image, 3 * image + 3);
    return Number.isFinite(x) ? { x, y, radius: this.#view(this.#size.width, this.#size.height).radiusAt(depth) } : null;
  }

  /** The points that are drawn on a canvas of a size, from back to front. */
  visiblePoints(width: number, height: number): VisiblePoint[] {
    const view = this.#view(width, height);
    const places = this.#project(view.projection, width, height);
    const { state, shape } = this.#look;
    const tones = this.#tonesNow();
    const points: VisiblePoint[] = [];
    for (let image = 0; image < state.length; image++) {
      const [x, y, depth] = places.subarray(3 * image, 3 * image + 3);
      const radius = view.radiusAt(depth);
      if (!(state[image] & STATE.drawn) || !(x > -radius && x < width + radius && y > -radius && y < height + radius)) continue;
      const [red, green, blue, opacity] = tones.subarray(4 * image, 4 * image + 4);
      const grown = state[image] & MARKED ? RINGED_GROWTH : 0;
      points.push({ image, x, y, depth, radius: radius + grown, rgba: [red, green, blue, opacity], shape: shape[image], state: state[image] });
    }
    return points.sort((a, b) => b.depth - a.depth);
  }

  /** Draws the map as it is into a canvas of its own, of `width` x `height` CSS pixels, each `scale` pixels wide. */
  toImage(width: number, height: number, scale: number): HTMLCanvasElement {
    const gl = this.#gl;
    const largest = Math.min(gl.getParameter(gl.MAX_TEXTURE_SIZE) as number, gl.getParameter(gl.MAX_RENDERBUFFER_SIZE) as number);
    const ratio = Math.min(scale, largest / Math.max(width, height));
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (!this.#drawing) return picture;
    const result = twgl.createFramebufferInfo(gl, [{ internalFormat: gl.RGBA8 }], picture.width, picture.height);
    this.#render(result.framebuffer, width, height, ratio);
    const pixels = new Uint8ClampedArray(4 * picture.width * picture.height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, result.framebuffer);
    gl.readPixels(0, 0, picture.width, picture.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.deleteFramebuffer(result.framebuffer);
    gl.deleteTexture(result.attachments[0]);
    // WebGL counts rows from below.
    const row = 4 * picture.width;
    const upright = new Uint8ClampedArray(pixels.length);
    for (let at = 0; at < picture.height; at++) upright.set(pixels.subarray(at * row, (at + 1) * row), (picture.height - 1 - at) * row);
    picture.getContext("2d")!.putImageData(new ImageData(upright, picture.width), 0, 0);
    return picture;
  }

  /** Ends the drawing, and gives the graphics memory back. */
  destroy(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#rest);
    this.#sizes.disconnect();
    this.#lifetime.abort();
    this.#drawing = null;
    // Browsers allow only a few contexts.
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  // ---- where things are

  // How the map looks on a canvas of a size in CSS pixels.
  #view(width: number, height: number): { projection: Projection; radius: number; radiusAt: (depth: number) => number } {
    const projection = project(this.#camera, width, height);
    const count = Math.max(this.#drawn.length, 1);
    // Many points must be small for their density to show; few may be large.
    const radius = clamp(0.2 * Math.sqrt((width * height) / count), 1.35, 5.5);
    // As the shader does it.
    const { distance } = projection;
    const radiusAt = this.#camera.isFlat
      ? () => radius
      : (depth: number) => radius * clamp(Math.sqrt(distance / Math.max(depth, 0.02)), 0.7, 2.5);
    return { projection, radius, radiusAt };
  }

  #moved(): number {
    return this.#moveBegan === null ? 1 : ease(clamp((performance.now() - this.#moveBegan) / MOVE_TIME, 0, 1));
  }

  #positions(): Float32Array<ArrayBuffer> {
    const [moved, from] = [this.#moved(), this.#from];
    if (moved === 1) return this.#to;
    const between = new Float32Array(from.length);
    for (let at = 0; at < from.length; at++) between[at] = from[at] + (this.#to[at] - from[at]) * moved;
    return between;
  }

  #placesNow(): Float32Array {
    return this.#places ??= this.#project(this.#view(this.#size.width, this.#size.height).projection, this.#size.width, this.#size.height);
  }

  // x, y and depth of every image; NaN for x where it is behind the eye.
  #project({ matrix: m, depth: d }: Projection, width: number, height: number): Float32Array {
    const positions = this.#positions();
    const places = new Float32Array(positions.length);
    for (let at = 0; at < positions.length; at += 3) {
      const [x, y, z] = [positions[at], positions[at + 1], positions[at + 2]];
      const w = m[3] * x + m[7] * y + m[11] * z + m[15];
      places[at] = w > 0.001 ? ((m[0] * x + m[4] * y + m[8] * z + m[12]) / w + 1) * 0.5 * width : NaN;
      places[at + 1] = (1 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w) * 0.5 * height;
      places[at + 2] = d[0] * x + d[1] * y + d[2] * z + d[3];
    }
    return places;
  }

  #tonesNow(): Uint8Array {
    const [{ color, state }, { ground }] = [this.#look, this.#theme];
    if (!this.#tones) {
      this.#density ??= densityAround(this.#to, (image) => (state[image] & STATE.drawn) !== 0);
      this.#tones = toned(color, state, this.#density, this.#drawn.length, rgbOf(ground));
      this.#fillBuffer("tone", this.#tones);
    }
    return this.#tones;
  }

  // ---- what WebGL holds

  #start(): void {
    const gl = this.#gl;
    const [points, lines] = [POINTS, LINES].map((shaders) => twgl.createProgramInfo(gl, shaders));
    const [drawType, { shape, state }] = [gl.DYNAMIC_DRAW, this.#look];
    const cloud = twgl.createBufferInfoFromArrays(gl, {
      from: { drawType, numComponents: 3, data: this.#from },
      to: { drawType, numComponents: 3, data: this.#to },
      tone: { drawType, numComponents: 4, data: new Uint8Array(4 * state.length), normalize: true },
      shape: { drawType, numComponents: 1, data: shape, normalize: false },
      state: { drawType, numComponents: 1, data: state, normalize: false },
    });
    const corners = gridLines();
    const grid = twgl.createBufferInfoFromArrays(gl, {
      start: { numComponents: 3, data: corners.start }, end: { numComponents: 3, data: corners.end }, corner: { numComponents: 2, data: corners.corner },
    });
    const order = gl.createBuffer();
    this.#drawing = {
      points, lines, cloud, grid, order,
      pointsLayout: twgl.createVertexArrayInfo(gl, points, { ...cloud, indices: order, elementType: gl.UNSIGNED_INT }),
      gridLayout: twgl.createVertexArrayInfo(gl, lines, grid),
    };
    this.#tones = null;
  }

  #fillBuffer(name: string, data: Float32Array<ArrayBuffer> | Uint8Array): void {
    if (!this.#drawing) return;
    const gl = this.#gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#drawing.cloud.attribs![name].buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data as AllowSharedBufferSource, gl.DYNAMIC_DRAW);
  }

  // ---- drawing

  #redraw(isMotion = false): void {
    this.#places = null;
    this.#isMoving ||= isMotion;
    if (this.#frame) return;
    this.#asked = performance.now();
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  // A machine that cannot draw all images fast enough draws a sample of them while the map moves, so that it follows the
  // hand.
  #keepPace(): void {
    clearTimeout(this.#rest);
    if (!this.#isMoving) return;
    // The browser calls later where the pictures before are not done yet; how fast the hand moves plays no part.
    this.#wait += 0.25 * (Math.min(performance.now() - this.#asked, 200) - this.#wait);
    if (this.#wait > SLOW) this.#share = Math.max(LEAST_SHARE, 0.85 * this.#share);
    else if (this.#wait < FAST) this.#share = Math.min(1, 1.05 * this.#share);
    this.#rest = window.setTimeout(() => {
      this.#isMoving = false;
      this.#redraw();
    }, REST);
  }

  #fit(): void {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#size = { width: Math.max(1, clientWidth), height: Math.max(1, clientHeight) };
    const ratio = Math.min(devicePixelRatio, Math.sqrt(MOST_PIXELS / (this.#size.width * this.#size.height)));
    const [width, height] = [Math.round(this.#size.width * ratio), Math.round(this.#size.height * ratio)];
    if (this.#canvas.width !== width || this.#canvas.height !== height) [this.#canvas.width, this.#canvas.height] = [width, height];
    this.#places = null;
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (!this.#drawing || !this.#canvas.clientWidth) return;
    // A window that moves to another screen may get other pixels without another size.
    this.#fit();
    this.#keepPace();
    this.#render(null, this.#size.width, this.#size.height, this.#canvas.width / this.#size.width);
    if (this.#moved() < 1) this.#redraw(true);
    else this.#moveBegan = null;
  }

  #render(into: WebGLFramebuffer | null, width: number, height: number, ratio: number): void {
    const [gl, drawing, theme, { state }] = [this.#gl, this.#drawing!, this.#theme, this.#look];
    const { projection, radius } = this.#view(width, height);
    const { matrix, depth, distance } = projection;
    const [red, green, blue] = inkOf(theme.ground);
    this.#tonesNow();
    gl.bindFramebuffer(gl.FRAMEBUFFER, into);
    gl.viewport(0, 0, Math.round(width * ratio), Math.round(height * ratio));
    gl.clearColor(red, green, blue, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);

    // The faces of the cube that lie behind.
    gl.useProgram(drawing.lines.program);
    gl.bindVertexArray(drawing.gridLayout.vertexArrayObject ?? null);
    twgl.setUniforms(drawing.lines, { matrix, size: [width * ratio, height * ratio], width: ratio, ink: inkOf(theme.grid) });
    for (const axis of [0, 1, 2]) gl.drawArrays(gl.TRIANGLES, (2 * axis + Number(depth[axis] > 0)) * VERTICES_OF_FACE, VERTICES_OF_FACE);

    const moved = this.#moved();
    const share = into === null && this.#isMoving ? this.#share : 1;
    const all = backToFront(this.#drawn.subarray(0, Math.ceil(share * this.#drawn.length)), this.#positions(), depth);
    if (into === null) {
      this.#pointsDrawn = all.length;
      this.#drawings += 1;
    }
    const marked = all.filter((image) => state[image] & MARKED);
    const ringed = RINGS_DRAWN.map(({ bit }) => marked.filter((image) => state[image] & bit));
    gl.useProgram(drawing.points.program);
    gl.bindVertexArray(drawing.pointsLayout.vertexArrayObject ?? null);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, 4 * [all, ...ringed].reduce((sum, { length }) => sum + length, 0), gl.STREAM_DRAW);
    // Small points have thin rings, which would hide them otherwise.
    const ringScale = ratio * clamp(radius / 3.5, 0.65, 1);
    let begin = 0;
    const draw = (images: Uint32Array<ArrayBuffer>, ring: Ring | null): void => {
      twgl.setUniforms(drawing.points, {
        grown: ring ? RINGED_GROWTH * ratio : 0, gap: (ring?.gap ?? 0) * ringScale, width: (ring?.width ?? 0) * ringScale, isRound: Number(ring?.isRound ?? false),
        ring: ring ? [...inkOf(theme[ring.ink]), ring.opacity] : [0, 0, 0, 0],
      });
      gl.bufferSubData(gl.ELEMENT_ARRAY_BUFFER, 4 * begin, images);
      gl.drawElements(gl.POINTS, images.length, gl.UNSIGNED_INT, 4 * begin);
      begin += images.length;
    };
    twgl.setUniforms(drawing.points, {
      matrix, depth: [...depth], distanceToCenter: distance, isFlat: Number(this.#camera.isFlat), radius: radius * ratio, moved,
    });
    draw(all, null);
    RINGS_DRAWN.forEach((ring, at) => { if (ringed[at].length) draw(ringed[at], ring); });
    gl.bindVertexArray(null);
  }
}
