"use strict";
// The page's data arrives as scripts, since a page opened from disk cannot fetch. This file runs first.
const gapscope = (() => {
  const received = new Map();
  const awaited = new Map();

  const receive = (name, value) => received.set(name, value);

  // A page in a single file carries its data and pictures in elements that no browser runs.
  const inlined = (name) => document.getElementById(`inlined/${name}`)?.textContent;

  // A promise for the data called `name`, whose script is loaded when it is first asked for.
  const need = (name) => {
    if (!awaited.has(name)) {
      const text = inlined(name);
      if (text !== undefined) awaited.set(name, Promise.resolve(JSON.parse(text)));
      else awaited.set(name, received.has(name) ? Promise.resolve(received.get(name)) : load(name));
    }
    return awaited.get(name);
  };

  const load = (name) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `data/${name}.js`;
    script.onload = () => resolve(received.get(name));
    script.onerror = () => {
      awaited.delete(name);
      reject(new Error(`${script.src} is missing: the report's folder is not whole`));
    };
    document.head.append(script);
  });

  // Arrays come in base64, little-endian.
  const unpack = (text, Kind) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Kind(bytes.buffer);
  };

  // Where a file of the report's folder is found.
  const files = new Map();
  const file = (path) => {
    const text = inlined(path);
    if (text === undefined) return path;
    if (!files.has(path)) files.set(path, URL.createObjectURL(new Blob([unpack(text.trim(), Uint8Array)], { type: "image/jpeg" })));
    return files.get(path);
  };

  const remembered = () => {
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
    set(dark, keep) {
      document.documentElement.dataset.theme = dark ? "dark" : "light";
      try {
        if (keep) localStorage.setItem("gapscope-theme", dark ? "dark" : "light");
      } catch {
        // Without storage the choice lasts as long as the page.
      }
    },
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  theme.set(remembered() ? remembered() === "dark" : system.matches, false);

  return { receive, need, file, unpack, theme, system, remembered };
})();
