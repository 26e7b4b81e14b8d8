// Turns, moves and zooms the map by mouse, touch and keyboard, and tells which image the pointer is at.
import { isMotionReduced } from "../motion.ts";
import type { Camera } from "./camera.ts";
import { DEFAULT_CAMERA, lookAlong, pan, turn, zoom } from "./camera.ts";
import type { Place } from "./polygon.ts";
import type { MapRenderer } from "./renderer.ts";

export interface MapActions {
  /** The mouse is at another image than before, or at none; places are in pixels of the canvas. */
  readonly onHover: (image: number | null, place: Place) => void;
  /** A click or a tap, at an image or at none. What begins as a drag is neither. */
  readonly onPin: (image: number | null, event: PointerEvent) => void;
  /** The user has changed the camera. */
  readonly onCamera: () => void;
  /** The wheel scrolled the page, because the map has no focus and no Ctrl or Meta key is down. */
  readonly onWheelIgnored: () => void;
}

/** Degrees that the map turns when the pointer crosses its height. */
const TURN = 160;
/** Degrees, and the factor, of a press of a key. */
const [KEY_TURN, KEY_ZOOM] = [10, 1.2];
/** Pixels from which on a press is a drag: a finger is less steady than a mouse. */
const [MOUSE_DRAG, TOUCH_DRAG] = [4, 10];
/** How near a finger must come to a point, in pixels. */
const TOUCH_REACH = 22;
/** Milliseconds after which a glide has a third of its speed left. */
const GLIDE = 140;
/** Where a wheel counts lines or pages, so many pixels are one. */
const WHEEL_UNITS = [1, 18, 400];

type Drag = "turn" | "pan";

/** Controls the map of `renderer` on its `canvas` until the function that it returns is called. */
export const controlMap = (canvas: HTMLCanvasElement, renderer: MapRenderer, actions: MapActions): (() => void) => {
  const pointers = new Map<number, Place>();
  /** How the press began; null when it has become a drag, or ended. */
  let press: Place | null = null;
  let drag: Drag | null = null;
  let hovered: number | null = null;
  let speed: { right: number; down: number; drag: Drag; at: number } | null = null;
  let glide = 0;
  let hover = 0;
  let hasDraggedRight = false;

  const hasFocus = (): boolean => document.activeElement === canvas;
  const change = (camera: Camera): void => {
    renderer.camera = camera;
    actions.onCamera();
  };
  const placeOf = (event: MouseEvent): Place => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  const move = (right: number, down: number, by: Drag): void => {
    const { width, height } = renderer.size;
    change(by === "pan"
      ? pan(renderer.camera, right / height, down / height, width, height)
      : turn(renderer.camera, (-right / height) * TURN, (down / height) * TURN));
  };

  const zoomAt = (factor: number, { x, y }: Place): void => {
    const { width, height } = renderer.size;
    const nearer = zoom(renderer.camera, factor);
    // What is under the pointer stays there.
    const grown = renderer.camera.distance / nearer.distance - 1;
    change(pan(nearer, (-grown * (x - width / 2)) / height, (-grown * (y - height / 2)) / height, width, height));
  };

  const showHover = (image: number | null, place: Place): void => {
    if (image === hovered) return;
    hovered = image;
    canvas.style.cursor = image === null ? "" : "pointer";
    actions.onHover(image, place);
  };

  const stopGlide = (): void => {
    cancelAnimationFrame(glide);
    glide = 0;
  };

  const startGlide = (): void => {
    const begun = speed;
    speed = null;
    // A hand that rested before it let go wants the map to rest.
    if (!begun || performance.now() - begun.at > 60 || isMotionReduced()) return;
    let { right, down } = begun;
    let before = performance.now();
    const step = (now: number): void => {
      const time = Math.max(0, Math.min(now - before, 100));
      before = now;
      const left = Math.exp(-time / GLIDE);
      [right, down] = [right * left, down * left];
      move(right * time, down * time, begun.drag);
      glide = Math.hypot(right, down) > 0.01 ? requestAnimationFrame(step) : 0;
    };
    glide = requestAnimationFrame(step);
  };

  const middle = (): Place => {
    const places = [...pointers.values()];
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    return { x: mean(places.map(({ x }) => x)), y: mean(places.map(({ y }) => y)) };
  };
  const spread = (): number => {
    const [a, b] = pointers.values();
    return Math.hypot(a.x - b.x, a.y - b.y);
  };

  const onDown = (event: PointerEvent): void => {
    if (event.pointerType === "mouse" && event.button !== 0 && event.button !== 2) return;
    stopGlide();
    pointers.set(event.pointerId, placeOf(event));
    press = pointers.size === 1 ? placeOf(event) : null;
    speed = null;
    drag = pointers.size > 1 || event.shiftKey || event.button === 2 ? "pan" : "turn";
    // A finger that passes over a map without focus scrolls the page; two fingers mean the map.
    if (event.pointerType !== "touch" || hasFocus() || pointers.size > 1) canvas.setPointerCapture(event.pointerId);
  };

  const onDragged = (event: PointerEvent): void => {
    const now = placeOf(event);
    const [before, middleBefore, spreadBefore] = [pointers.get(event.pointerId)!, middle(), pointers.size === 2 ? spread() : 1];
    const isTouch = event.pointerType === "touch";
    if (press) {
      if (Math.hypot(now.x - press.x, now.y - press.y) < (isTouch ? TOUCH_DRAG : MOUSE_DRAG)) return;
      press = null;
      showHover(null, now);
      hasDraggedRight = (event.buttons & 2) !== 0;
    }
    pointers.set(event.pointerId, now);
    if (!drag || (isTouch && pointers.size === 1 && !hasFocus())) return;
    if (pointers.size === 2) {
      const after = middle();
      move(after.x - middleBefore.x, after.y - middleBefore.y, "pan");
      zoomAt(spread() / Math.max(spreadBefore, 1), after);
      return;
    }
    const [right, down] = [now.x - before.x, now.y - before.y];
    move(right, down, drag);
    const time = Math.max(performance.now() - (speed?.at ?? performance.now() - 16), 4);
    const old = speed ?? { right: 0, down: 0 };
    speed = { right: 0.5 * old.right + (0.5 * right) / time, down: 0.5 * old.down + (0.5 * down) / time, drag, at: performance.now() };
  };

  const onMove = (event: PointerEvent): void => {
    if (pointers.has(event.pointerId)) {
      onDragged(event);
      return;
    }
    if (event.pointerType === "touch") return;
    const place = placeOf(event);
    cancelAnimationFrame(hover);
    hover = requestAnimationFrame(() => { if (!pointers.size) showHover(renderer.pick(place.x, place.y), place); });
  };

  const onUp = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId)) return;
    if (press && event.button === 0) {
      canvas.focus({ preventScroll: true });
      actions.onPin(renderer.pick(press.x, press.y, event.pointerType === "touch" ? TOUCH_REACH : undefined), event);
    } else if (!pointers.size) startGlide();
    press = null;
    // After two fingers, the one that stays would turn the map by accident.
    drag = null;
  };

  const onCancel = (event: PointerEvent): void => {
    pointers.delete(event.pointerId);
    [press, drag, speed] = [null, null, null];
  };

  const onLeave = (event: PointerEvent): void => {
    cancelAnimationFrame(hover);
    if (!pointers.size) showHover(null, placeOf(event));
  };

  const onWheel = (event: WheelEvent): void => {
    if (!hasFocus() && !event.ctrlKey && !event.metaKey) {
      actions.onWheelIgnored();
      return;
    }
    event.preventDefault();
    stopGlide();
    const pixels = event.deltaY * WHEEL_UNITS[event.deltaMode];
    // Fingers on a trackpad that pinch come as a wheel with Ctrl, in small steps.
    const strength = event.ctrlKey && Math.abs(pixels) < 50 ? 0.01 : 0.0015;
    zoomAt(Math.exp(-strength * Math.max(-300, Math.min(300, pixels))), placeOf(event));
  };

  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { camera } = renderer;
    const key = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key.toLowerCase();
    const cameras: Partial<Record<string, () => Camera>> = {
      "Shift+ArrowLeft": () => turn(camera, KEY_TURN, 0),
      "Shift+ArrowRight": () => turn(camera, -KEY_TURN, 0),
      "Shift+ArrowUp": () => turn(camera, 0, -KEY_TURN),
      "Shift+ArrowDown": () => turn(camera, 0, KEY_TURN),
      "+": () => zoom(camera, KEY_ZOOM),
      "=": () => zoom(camera, KEY_ZOOM),
      "-": () => zoom(camera, 1 / KEY_ZOOM),
      0: () => DEFAULT_CAMERA,
      x: () => lookAlong("x"),
      y: () => lookAlong("y"),
      z: () => lookAlong("z"),
      p: () => ({ ...camera, isFlat: false }),
    };
    const next = cameras[key];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    stopGlide();
    change(next());
  };

  const onContextMenu = (event: MouseEvent): void => {
    if (hasDraggedRight) event.preventDefault();
    hasDraggedRight = false;
  };

  const onFocusChange = (): void => {
    canvas.style.touchAction = hasFocus() ? "none" : "pan-y";
  };

  const lifetime = new AbortController();
  const { signal } = lifetime;
  canvas.tabIndex = 0;
  onFocusChange();
  canvas.addEventListener("pointerdown", onDown, { signal });
  canvas.addEventListener("pointermove", onMove, { signal });
  canvas.addEventListener("pointerup", onUp, { signal });
  canvas.addEventListener("pointercancel", onCancel, { signal });
  canvas.addEventListener("pointerleave", onLeave, { signal });
  canvas.addEventListener("wheel", onWheel, { signal, passive: false });
  canvas.addEventListener("keydown", onKey, { signal });
  canvas.addEventListener("contextmenu", onContextMenu, { signal });
  canvas.addEventListener("focus", onFocusChange, { signal });
  canvas.addEventListener("blur", onFocusChange, { signal });
  return () => {
    lifetime.abort();
    stopGlide();
    cancelAnimationFrame(hover);
  };
};
