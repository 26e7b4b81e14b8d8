"use strict";
// Loads the page's data, which are scripts, since a page opened from disk cannot fetch. This file runs first.
const gapscope = (() => {
  const received = new Map();
  const pending = new Map();

  const receive = (name, value) => received.set(name, value);

  // A report in a single file has its data and pictures in elements that the browser does not execute.
  const inlineText = (name) => document.getElementById(`inlined/${name}`)?.textContent;

  // Returns a promise of the data called `name`; its script is loaded on the first call.
  const loadData = (name) => {
    if (!pending.has(name)) {
      const text = inlineText(name);
      if (text !== undefined) pending.set(name, Promise.resolve(JSON.parse(text)));
      else pending.set(name, received.has(name) ? Promise.resolve(received.get(name)) : loadScript(name));
    }
    return pending.get(name);
  };

  const loadScript = (name) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `data/${name}.js`;
    script.onload = () => resolve(received.get(name));
    script.onerror = () => {
      pending.delete(name);
      reject(new Error(`${script.src} is missing: the report's folder is incomplete`));
    };
    document.head.append(script);
  });

  // Decodes an array from base64 of little-endian values.
  const decodeArray = (text, ArrayType) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new ArrayType(bytes.buffer);
  };

  // The URL of a picture in the report's folder.
  const blobUrls = new Map();
  const fileUrl = (path) => {
    const text = inlineText(path);
    if (text === undefined) return path;
    if (!blobUrls.has(path)) {
      const blob = new Blob([decodeArray(text.trim(), Uint8Array)], { type: "image/jpeg" });
      blobUrls.set(path, URL.createObjectURL(blob));
    }
    return blobUrls.get(path);
  };

  const storedTheme = () => {
    try {
      return localStorage.getItem("gapscope-theme");
    } catch {
      return null;
    }
  };
  const theme = {
    get dark() {
      return document.documentElement.dataset.theme === "dark";
    },
    set(dark, store) {
      document.documentElement.dataset.theme = dark ? "dark" : "light";
      try {
        if (store) localStorage.setItem("gapscope-theme", dark ? "dark" : "light");
      } catch {
        // Without storage, the choice is lost when the page is closed.
      }
    },
  };
  const systemTheme = matchMedia("(prefers-color-scheme: dark)");
  theme.set(storedTheme() ? storedTheme() === "dark" : systemTheme.matches, false);

  return { receive, loadData, fileUrl, decodeArray, theme, systemTheme, storedTheme };
})();
