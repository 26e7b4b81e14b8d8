"use strict";
// The 3-D map: one Plotly figure; a change of level replaces its points and keeps its camera.
(() => {
  const g = gapscope;
  const map = {
    hidden: new Set(), // legend entries that are switched off: 2 * dataset, and 2 * dataset + 1 for its outliers
    hovered: null,
    onHover: () => {},
    onPin: () => {},
  };
  g.map = map;
  // export/stills.py draws with the same camera.
  const DEFAULT_CAMERA = { eye: { x: 0.98, y: 0.98, z: 0.54 }, center: { x: 0, y: 0, z: -0.03 }, up: { x: 0, y: 0, z: 1 } };
  let element;
  let pointImages = []; // the images of the points of the ordinary and of the outlier trace
  let ringImages = []; // the images of the rings' traces
  let available = false;

  const hasWebGL = () => {
    try {
      const context = document.createElement("canvas").getContext("webgl");
      if (!context) return false;
      // The browser allows only a few contexts, and this one is no longer needed.
      context.getExtension("WEBGL_lose_context")?.loseContext();
      return true;
    } catch {
      return false;
    }
  };

  const showMessage = (message) => {
    g.byId("map-message").textContent = message;
    g.byId("map-message").hidden = !message;
    element.hidden = Boolean(message);
  };

  // Many points must be small and transparent for their density to show; few may be large.
  const pointSize = (count) => Math.min(6, Math.max(2.2, 8.2 - 1.25 * Math.log10(Math.max(count, 1))));
  // Plotly draws a circle as many triangles; for points too small to see a difference, a square's two are enough.
  const MANY_POINTS = 5000;
  const symbol = (count) => (count > MANY_POINTS ? "square" : "circle");
  const opacity = (count) => Math.min(0.85, Math.max(0.4, 1.15 - 0.16 * Math.log10(Math.max(count, 1))));

  const coordinates = (level, images) => {
    const axes = [0, 1, 2].map(() => new Float32Array(images.length));
    images.forEach((image, index) => axes.forEach((values, axis) => { values[index] = level.points[3 * image + axis]; }));
    return { x: axes[0], y: axes[1], z: axes[2] };
  };

  // All datasets share a trace, in the page's order, which mixes them; with a trace each, the last would cover the others.
  const traces = (level, state) => {
    const listed = g.listedImages(level, state.reference);
    pointImages = [[], []];
    g.image.drawn.forEach((drawn, image) => {
      const outlier = listed.has(image) ? 1 : 0;
      if (drawn && !map.hidden.has(2 * g.image.dataset[image] + outlier)) pointImages[outlier].push(image);
    });
    const size = pointSize(g.data.drawn);
    const points = (images, marker) => ({
      type: "scatter3d", mode: "markers", hoverinfo: "none", showlegend: false,
      ...coordinates(level, images),
      marker: { ...marker, color: g.pointColors(images) },
    });
    return [
      { ...points(pointImages[0], { size, symbol: symbol(g.data.drawn), line: { width: 0 } }), opacity: opacity(g.data.drawn) },
      points(pointImages[1], { size: size + 1.6, symbol: "diamond", line: { width: 1, color: g.cssVariable("--surface") } }),
      ...rings(level, state),
    ];
  };

  // Rings around a cluster that the user chose, the pinned image's neighbors, the pinned image, and the selection.
  const rings = (level, state) => {
    const ring = (images, size, color, symbol) => ({
      // A ring covers its point, and Plotly's events may name either; both belong to the same image.
      type: "scatter3d", mode: "markers", hoverinfo: "none", showlegend: false,
      ...coordinates(level, images), marker: { size, color, symbol, line: { width: 2, color } },
    });
    const neighbors = state.pinned === null || !state.neighbors ? []
      : [...new Set(g.pairsOfQuery(state.pinned).flatMap((pair) => g.nearestImages(state.neighbors, pair, state.pinned).map(({ image }) => image)))];
    const cluster = [];
    if (state.cluster !== null) {
      level.clusters.forEach((imageCluster, image) => {
        if (imageCluster === state.cluster && g.image.drawn[image]) cluster.push(image);
      });
    }
    const base = pointSize(g.data.drawn);
    ringImages = [cluster, neighbors, state.pinned === null ? [] : [state.pinned], [...state.selected]];
    return [
      ring(ringImages[0], base + 5, g.cssVariable("--mark"), "circle-open"),
      ring(ringImages[1], base + 8, g.cssVariable("--text"), "circle-open"),
      ring(ringImages[2], base + 12, g.cssVariable("--text"), "diamond-open"),
      ring(ringImages[3], base + 4, g.cssVariable("--focus"), "circle-open"),
    ];
  };

  // Plotly's layout holds the camera of the moment when the mouse button was released, but the camera glides on from
  // there. The scene has the current camera, but is not part of Plotly's public API.
  const camera = () => (
    element._fullLayout?.scene?._scene?.getCamera?.() ?? element.layout?.scene?.camera ?? initialCamera());

  const layout = (level) => {
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    level.points.forEach((value, index) => {
      low[index % 3] = Math.min(low[index % 3], value);
      high[index % 3] = Math.max(high[index % 3], value);
    });
    const halfRange = Math.max(...high.map((value, axis) => value - low[axis]), 1e-6) * 0.53;
    // UMAP's axes have no meaning; the grid only helps to see depth.
    const axis = (index) => {
      const middle = level.points.length ? (low[index] + high[index]) / 2 : 0;
      const half = level.points.length ? halfRange : 1;
      return {
        range: [middle - half, middle + half], autorange: false, title: { text: "" }, showticklabels: false, ticks: "",
        showspikes: false, zeroline: false, showbackground: false, gridcolor: g.cssVariable("--grid"), nticks: 6,
        showline: false,
      };
    };
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 0, r: 0, t: 0, b: 0 },
      showlegend: false,
      hovermode: "closest",
      font: { color: g.cssVariable("--text") },
      scene: {
        aspectmode: "cube", dragmode: "turntable", camera: camera(),
        xaxis: axis(0), yaxis: axis(1), zaxis: axis(2),
      },
    };
  };

  const listen = () => {
    element.on("plotly_hover", ({ points }) => {
      const image = [...pointImages, ...ringImages][points[0].curveNumber]?.[points[0].pointNumber];
      if (image === undefined) return;
      map.hovered = image;
      element.classList.add("over-point");
      map.onHover(image);
    });
    const leave = () => {
      map.hovered = null;
      element.classList.remove("over-point");
      map.onHover(null);
    };
    element.on("plotly_unhover", leave);
    element.addEventListener("pointerleave", leave);
    // Plotly also reports a click when a drag begins on a point, which must not pin the image.
    let pressed = null;
    element.addEventListener("pointerdown", (event) => {
      pressed = { x: event.clientX, y: event.clientY, image: map.hovered };
    }, true);
    element.addEventListener("pointerup", (event) => {
      if (pressed === null || pressed.image === null) return;
      if (Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 5) map.onPin(pressed.image, event.shiftKey);
    }, true);
    element.addEventListener("webglcontextlost", () => {
      showMessage("The browser has released the 3-D map's graphics memory. Reload the page to see the map again.");
    }, true);
    new ResizeObserver(() => {
      if (!element.hidden) Plotly.Plots.resize(element);
    }).observe(element);
  };

  // The images whose points lie in a rectangle of the window, projected by the map's own matrices.
  map.imagesIn = (level, { left, top, right, bottom }) => {
    const scene = element._fullLayout?.scene?._scene;
    if (!available || !scene) return [];
    const { model, view, projection } = scene.glplot.cameraParams;
    const multiply = (m, v) => [0, 1, 2, 3].map((row) => m[row] * v[0] + m[4 + row] * v[1] + m[8 + row] * v[2] + m[12 + row] * v[3]);
    const box = element.querySelector("canvas").getBoundingClientRect();
    return pointImages.flat().filter((image) => {
      const point = [0, 1, 2].map((axis) => level.points[3 * image + axis] * scene.dataScale[axis]);
      const [x, y, , w] = multiply(projection, multiply(view, multiply(model, [...point, 1])));
      const clientX = box.left + (x / w + 1) / 2 * box.width;
      const clientY = box.top + (1 - y / w) / 2 * box.height;
      return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
    });
  };

  map.start = () => {
    element = g.byId("map");
    if (typeof Plotly === "undefined") showMessage("The map's library, plotly.min.js, is missing from the report's folder.");
    else if (!hasWebGL()) {
      showMessage("This browser has no WebGL, which the 3-D map needs. Everything else on this page works without it.");
    } else available = true;
    for (const id of ["reset", "save", "select-area"]) g.byId(id).hidden = !available;
  };

  // A narrow map needs a camera that is farther away to show the same width.
  const initialCamera = () => {
    const factor = Math.max(1, 1.15 * element.clientHeight / Math.max(element.clientWidth, 1));
    const [x, y, z] = [DEFAULT_CAMERA.eye.x, DEFAULT_CAMERA.eye.y, DEFAULT_CAMERA.eye.z].map((value) => value * factor);
    return { ...DEFAULT_CAMERA, eye: { x, y, z } };
  };

  map.draw = async (level, state) => {
    if (!available) return;
    const isFirst = !element.classList.contains("js-plotly-plot");
    await Plotly.react(element, traces(level, state), layout(level), {
      displayModeBar: false, responsive: false, scrollZoom: true,
      // Plotly renders four pixels per pixel of the screen, which many small points do not need.
      plotGlPixelRatio: g.data.drawn > MANY_POINTS ? devicePixelRatio : 2,
    });
    if (isFirst) listen();
  };

  map.drawRings = (level, state) => {
    if (!available || !pointImages.length) return;
    const ringTraces = rings(level, state);
    const values = (axis) => ringTraces.map((trace) => trace[axis]);
    Plotly.restyle(element, { x: values("x"), y: values("y"), z: values("z") }, ringTraces.map((_, index) => pointImages.length + index));
  };

  map.toggle = (entry, shown) => {
    if (shown) map.hidden.delete(entry);
    else map.hidden.add(entry);
  };

  map.reset = () => available && Plotly.relayout(element, { "scene.camera": initialCamera() });
  map.save = (name) => available && Plotly.downloadImage(element, { format: "png", scale: 2, filename: name });
})();
