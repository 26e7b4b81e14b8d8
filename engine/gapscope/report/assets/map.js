"use strict";
// The 3-D map: one figure, whose data changes with the level while its camera stays.
(() => {
  const g = gapscope;
  const map = {
    hidden: new Set(), // legend entries that are off: twice the dataset's number, and one more for its outliers
    hovered: null,
    onHover: () => {},
    onPin: () => {},
  };
  g.map = map;
  const START = { eye: { x: 0.98, y: 0.98, z: 0.54 }, center: { x: 0, y: 0, z: -0.03 }, up: { x: 0, y: 0, z: 1 } };
  let element;
  let members = []; // of the ordinary and the outlier trace, the images that their points stand for
  let ringed = []; // and of the rings' traces
  let working = false;

  const hasWebGL = () => {
    try {
      const context = document.createElement("canvas").getContext("webgl");
      if (!context) return false;
      // The browser allows only a few contexts; this one made its point.
      context.getExtension("WEBGL_lose_context")?.loseContext();
      return true;
    } catch {
      return false;
    }
  };

  const say = (message) => {
    g.byId("map-message").textContent = message;
    g.byId("map-message").hidden = !message;
    element.hidden = Boolean(message);
  };

  // Many points must be small and light to show where they are dense, few may be large.
  const pointSize = (count) => Math.min(6, Math.max(2.2, 8.2 - 1.25 * Math.log10(Math.max(count, 1))));
  // Plotly draws a circle as many triangles; where points are too small to tell, a square's two are as good.
  const MANY = 5000;
  const shape = (count) => (count > MANY ? "square" : "circle");
  const opacity = (count) => Math.min(0.85, Math.max(0.4, 1.15 - 0.16 * Math.log10(Math.max(count, 1))));

  const places = (level, images) => {
    const axes = [0, 1, 2].map(() => new Float32Array(images.length));
    images.forEach((image, at) => axes.forEach((axis, which) => { axis[at] = level.points[3 * image + which]; }));
    return { x: axes[0], y: axes[1], z: axes[2] };
  };

  // All datasets share a trace, in the page's order, which mixes them: a trace each would paint one over the other.
  const traces = (level, state) => {
    const marked = g.marked(level, state.against);
    members = [[], []];
    g.image.drawn.forEach((drawn, image) => {
      const outlier = marked.has(image) ? 1 : 0;
      if (drawn && !map.hidden.has(2 * g.image.dataset[image] + outlier)) members[outlier].push(image);
    });
    const size = pointSize(g.facts.drawn);
    const points = (images, marker) => ({
      type: "scatter3d", mode: "markers", hoverinfo: "none", showlegend: false,
      ...places(level, images),
      marker: {
        ...marker, color: g.colors(images),
      },
    });
    return [
      { ...points(members[0], { size, symbol: shape(g.facts.drawn), line: { width: 0 } }), opacity: opacity(g.facts.drawn) },
      points(members[1], { size: size + 1.6, symbol: "diamond", line: { width: 1, color: g.css("--surface") } }),
      ...rings(level, state),
    ];
  };

  // Rings around the pinned image, its neighbors, a cluster that was asked for, and what is selected.
  const rings = (level, state) => {
    const ring = (images, size, color, symbol) => ({
      // A ring lies over its point, and Plotly finds whichever comes first: both stand for the image.
      type: "scatter3d", mode: "markers", hoverinfo: "none", showlegend: false,
      ...places(level, images), marker: { size, color, symbol, line: { width: 2, color } },
    });
    const neighbors = state.pinned === null || !state.near ? []
      : [...new Set(g.asking(state.pinned).flatMap((pair) => g.nearest(state.near, pair, state.pinned).map(({ image }) => image)))];
    const cluster = [];
    if (state.cluster !== null) {
      level.clusters.forEach((which, image) => {
        if (which === state.cluster && g.image.drawn[image]) cluster.push(image);
      });
    }
    const base = pointSize(g.facts.drawn);
    ringed = [cluster, neighbors, state.pinned === null ? [] : [state.pinned], [...state.selected]];
    return [
      ring(ringed[0], base + 5, g.css("--mark"), "circle-open"),
      ring(ringed[1], base + 8, g.css("--text"), "circle-open"),
      ring(ringed[2], base + 12, g.css("--text"), "diamond-open"),
      ring(ringed[3], base + 4, g.css("--focus"), "circle-open"),
    ];
  };

  // What Plotly keeps in its layout is where the camera was when the mouse let go; it glides on from there. The scene
  // itself knows better, but is no public part of Plotly.
  const camera = () => (
    element._fullLayout?.scene?._scene?.getCamera?.() ?? element.layout?.scene?.camera ?? start());

  const layout = (level) => {
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    level.points.forEach((value, at) => {
      low[at % 3] = Math.min(low[at % 3], value);
      high[at % 3] = Math.max(high[at % 3], value);
    });
    const reach = Math.max(...high.map((value, axis) => value - low[axis]), 1e-6) * 0.53;
    // UMAP's axes mean nothing: the grid is there for depth only.
    const axis = (which) => {
      const middle = level.points.length ? (low[which] + high[which]) / 2 : 0;
      const half = level.points.length ? reach : 1;
      return {
        range: [middle - half, middle + half], autorange: false, title: { text: "" }, showticklabels: false, ticks: "",
        showspikes: false, zeroline: false, showbackground: false, gridcolor: g.css("--grid"), nticks: 6,
        showline: false,
      };
    };
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 0, r: 0, t: 0, b: 0 },
      showlegend: false,
      hovermode: "closest",
      font: { color: g.css("--text") },
      scene: {
        aspectmode: "cube", dragmode: "turntable", camera: camera(),
        xaxis: axis(0), yaxis: axis(1), zaxis: axis(2),
      },
    };
  };

  const listen = () => {
    element.on("plotly_hover", ({ points }) => {
      const image = [...members, ...ringed][points[0].curveNumber]?.[points[0].pointNumber];
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
    // Plotly reports a click when a drag begins on a point, too; a pin must not.
    let pressed = null;
    element.addEventListener("pointerdown", (event) => {
      pressed = { x: event.clientX, y: event.clientY, image: map.hovered };
    }, true);
    element.addEventListener("pointerup", (event) => {
      if (pressed === null || pressed.image === null) return;
      if (Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 5) map.onPin(pressed.image, event.shiftKey);
    }, true);
    element.addEventListener("webglcontextlost", () => {
      say("The browser has taken the 3-D map's graphics memory away. Reload the page to see the map again.");
    }, true);
    new ResizeObserver(() => {
      if (!element.hidden) Plotly.Plots.resize(element);
    }).observe(element);
  };

  // The images whose points lie in a rectangle of the window, by the map's own matrices.
  map.within = (level, { left, top, right, bottom }) => {
    const scene = element._fullLayout?.scene?._scene;
    if (!working || !scene) return [];
    const { model, view, projection } = scene.glplot.cameraParams;
    const times = (m, v) => [0, 1, 2, 3].map((row) => m[row] * v[0] + m[4 + row] * v[1] + m[8 + row] * v[2] + m[12 + row] * v[3]);
    const box = element.querySelector("canvas").getBoundingClientRect();
    return members.flat().filter((image) => {
      const place = [0, 1, 2].map((axis) => level.points[3 * image + axis] * scene.dataScale[axis]);
      const [x, y, , w] = times(projection, times(view, times(model, [...place, 1])));
      const across = box.left + (x / w + 1) / 2 * box.width;
      const down = box.top + (1 - y / w) / 2 * box.height;
      return across >= left && across <= right && down >= top && down <= bottom;
    });
  };

  map.start = () => {
    element = g.byId("map");
    if (typeof Plotly === "undefined") say("The map's library, plotly.min.js, is missing from the report's folder.");
    else if (!hasWebGL()) {
      say("This browser has no WebGL, which the 3-D map needs. Everything else on this page works without it.");
    } else working = true;
    for (const id of ["reset", "save", "select-area"]) g.byId(id).hidden = !working;
  };

  // A narrow map needs a camera farther away to hold the same width.
  const start = () => {
    const away = Math.max(1, 1.15 * element.clientHeight / Math.max(element.clientWidth, 1));
    const [x, y, z] = [START.eye.x, START.eye.y, START.eye.z].map((value) => value * away);
    return { ...START, eye: { x, y, z } };
  };

  map.draw = async (level, state) => {
    if (!working) return;
    const first = !element.classList.contains("js-plotly-plot");
    await Plotly.react(element, traces(level, state), layout(level), {
      displayModeBar: false, responsive: false, scrollZoom: true,
      // Plotly draws four pixels for each of the screen's, which many small points do not need.
      plotGlPixelRatio: g.facts.drawn > MANY ? devicePixelRatio : 2,
    });
    if (first) listen();
  };

  map.ring = (level, state) => {
    if (!working || !members.length) return;
    const all = rings(level, state);
    const key = (name) => all.map((trace) => trace[name]);
    Plotly.restyle(element, { x: key("x"), y: key("y"), z: key("z") }, all.map((_, at) => members.length + at));
  };

  map.toggle = (entry, shown) => {
    if (shown) map.hidden.delete(entry);
    else map.hidden.add(entry);
  };

  map.reset = () => working && Plotly.relayout(element, { "scene.camera": start() });
  map.save = (name) => working && Plotly.downloadImage(element, { format: "png", scale: 2, filename: name });
})();
