// Loads the page's data and pictures: from scripts beside the page, or from elements of a report in a single file.
import type { Gapscope } from "../start.ts";

const pending = new Map<string, Promise<unknown>>();

// Elements that a browser does not run hold the data and pictures of a report in a single file.
const inlinedElement = (name: string): HTMLElement | null => document.getElementById(`inlined/${name}`);
const inlined = (name: string): string | undefined => inlinedElement(name)?.textContent;

const gapscope = (): Gapscope => window.gapscope;

/** Returns the data called `name`, whose script is loaded on the first call. */
export const loadData = <T>(name: string): Promise<T> => {
  let promise = pending.get(name);
  if (!promise) {
    const text = inlined(name);
    if (text !== undefined) promise = Promise.resolve(JSON.parse(text) as unknown);
    else if (gapscope().received.has(name)) promise = Promise.resolve(gapscope().received.get(name));
    else promise = loadScript(name);
    pending.set(name, promise);
  }
  return promise as Promise<T>;
};

const loadScript = (name: string): Promise<unknown> => new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.src = `data/${name}.js`;
  script.onload = () => {
    resolve(gapscope().received.get(name));
    gapscope().received.delete(name);
  };
  script.onerror = () => {
    pending.delete(name);
    reject(new Error(`data/${name}.js is missing: the report's folder is incomplete`));
  };
  document.head.append(script);
});

type NumberArray = Uint8Array | Int8Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

/** Decodes an array from base64 of little-endian values. */
export const decodeArray = <T extends NumberArray>(text: string, ArrayType: new (buffer: ArrayBuffer) => T): T => {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new ArrayType(bytes.buffer);
};

/** Decodes an array of 16-bit floats. */
export const decodeFloat16 = (text: string): Float32Array => Float32Array.from(decodeArray(text, Uint16Array), (bits) => {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
});

const blobUrls = new Map<string, string>();

/** The URL of a picture in the report's folder. */
export const fileUrl = (path: string): string => {
  const element = inlinedElement(path);
  if (!element) return path;
  let url = blobUrls.get(path);
  if (url === undefined) {
    url = URL.createObjectURL(new Blob([decodeArray(element.textContent.trim(), Uint8Array)], { type: element.dataset.type ?? "" }));
    blobUrls.set(path, url);
  }
  return url;
};
