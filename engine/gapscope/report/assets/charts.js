"use strict";
// A chart per measure over the levels, from fine to coarse, and the histogram of outside scores at the current level.
(() => {
  const g = gapscope;
  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [300, 150, 42, 12, 10, 24];
  const STEPS = [1, 2, 2.5, 5, 10];

  const svg = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "color") element.style.setProperty("--color", value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const svgText = (attributes, text) => {
    const element = svg("text", attributes);
    element.textContent = text;
    return element;
  };
  const pairColor = (pair) => `var(--dataset-${g.data.pairs[pair][0]})`;

  // The end of an axis: the smallest round number that is not below `value`.
  const roundUp = (value) => {
    if (!(value > 0)) return 0;
    const unit = 10 ** Math.floor(Math.log10(value));
    return unit * STEPS.find((step) => step * unit >= value * (1 - 1e-9));
  };
  // The middle of an axis of shares is a whole percentage too.
  const PERCENT_STEPS = [0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.4, 0.6, 0.8, 1];
  const axisRange = (values, format) => {
    if (format === "percent") return [0, PERCENT_STEPS.find((step) => step >= Math.max(0, ...values) - 1e-9) ?? 1];
    const top = roundUp(Math.max(0, ...values));
    const bottom = -roundUp(-Math.min(0, ...values));
    if (top === bottom) return [0, 1];
    return [bottom, top];
  };
  const formatNumber = (value, format) => (format === "percent" ? g.formatPercent(value) : g.formatShort(value));

  // A measure that is the same in both directions is drawn as one line.
  const distinctPairs = (chart, pairs) => {
    if (pairs.length < 2) return pairs;
    const same = chart.rows.every((row) => JSON.stringify(row[pairs[0]]) === JSON.stringify(row[pairs[1]]));
    return same ? pairs.slice(0, 1) : pairs;
  };

  const describe = (chart, cell, onlyLine, pair) => {
    const [value, low, high, , beyondNoise, p] = cell;
    const interval = low !== null && high !== null ? ` (${formatNumber(low, chart.format)} to ${formatNumber(high, chart.format)})` : "";
    const noise = beyondNoise === null ? "" : beyondNoise ? ", beyond noise" : ", within noise";
    const pValue = p !== null ? `, p ${g.formatShort(p)}` : "";
    return `${onlyLine ? "" : `${g.datasetName(g.data.pairs[pair][0])}: `}${formatNumber(value, chart.format)}${interval}${noise}${pValue}`;
  };

  const lineChart = (chart, pairs, current) => {
    const lines = distinctPairs(chart, pairs).filter((pair) => chart.rows.some((row) => row[pair]));
    if (!lines.length) return null;
    const cells = lines.map((pair) => chart.rows.map((row) => row[pair]));
    const values = cells.flat().filter(Boolean).flatMap((cell) => cell.slice(0, 4)).filter((value) => value !== null);
    const [bottom, top] = axisRange(values, chart.format);
    const levelCount = chart.rows.length;
    const x = (level) => levelCount === 1 ? (LEFT + WIDTH - RIGHT) / 2 : LEFT + (level / (levelCount - 1)) * (WIDTH - LEFT - RIGHT - 16) + 8;
    const y = (value) => TOP + (1 - (Math.min(top, Math.max(bottom, value)) - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
    const descriptions = lines.flatMap((pair, line) => cells[line].flatMap((cell, level) => cell ? [`${g.data.levels[level].name} ${describe(chart, cell, false, pair)}`] : []));
    const body = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${chart.label} by level. ${descriptions.join("; ")}` });
    for (const share of [0, 0.5, 1]) {
      const value = bottom + share * (top - bottom);
      body.append(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "rule" }),
        svgText({ x: LEFT - 6, y: y(value) + 4, class: "tick", "text-anchor": "end" },
          formatNumber(value, chart.format)));
    }
    g.data.levels.forEach(({ name }, level) => body.append(
      svgText({ x: x(level), y: HEIGHT - 6, class: level === current ? "tick current" : "tick", "text-anchor": "middle" }, name)));
    body.append(svg("line", { x1: x(current), x2: x(current), y1: TOP, y2: HEIGHT - BOTTOM, class: "current" }));
    const polyline = (row, field) => row.map((cell, level) => cell && cell[field] !== null ? `${x(level)},${y(cell[field])}` : "").filter(Boolean).join(" ");
    lines.forEach((pair, line) => {
      if (cells[line].some((cell) => cell && cell[3] !== null)) {
        body.append(svg("polyline", { points: polyline(cells[line], 3), class: "floor", color: pairColor(pair) }));
      }
    });
    lines.forEach((pair, line) => {
      // Intervals of two lines stand side by side.
      const shift = lines.length > 1 ? 2 - 4 * line : 0;
      cells[line].forEach((cell, level) => {
        if (!cell || cell[1] === null || cell[2] === null) return;
        body.append(svg("line", { x1: x(level) - shift, x2: x(level) - shift, y1: y(cell[1]), y2: y(cell[2]), class: "interval", color: pairColor(pair) }));
      });
      body.append(svg("polyline", { points: polyline(cells[line], 0), class: "line", color: pairColor(pair) }));
      cells[line].forEach((cell, level) => {
        if (!cell) return;
        const title = svg("title", {});
        title.textContent = `${g.data.levels[level].name}, ${describe(chart, cell, false, pair)}`;
        body.append(svg("circle", { cx: x(level), cy: y(cell[0]), r: level === current ? 4 : 3, class: "dot", color: pairColor(pair) }, title));
      });
    });
    const currentValues = lines.flatMap((pair, line) => cells[line][current] ? [g.make("span", { class: "current-value" }, describe(chart, cells[line][current], lines.length === 1, pair))] : []);
    return g.make("figure", {},
      g.make("figcaption", {}, g.make("strong", {}, chart.label), g.make("span", { class: "quiet" }, chart.help), ...currentValues), body);
  };

  // The score densities of both datasets over the same bins.
  const histogram = (state) => {
    const scores = g.data.histograms[state.reading][state.level]?.[state.pair];
    if (!scores) return null;
    const [query, reference] = g.data.pairs[state.pair];
    const density = (counts) => {
      const total = counts.reduce((sum, count) => sum + count, 0) || 1;
      return counts.map((count, bin) => count / total / Math.max(scores.edges[bin + 1] - scores.edges[bin], 1e-12));
    };
    const series = [[reference, density(scores.reference)], [query, density(scores.query)]];
    const maxDensity = Math.max(...series.flatMap(([, values]) => values), 1e-12);
    const [first, last] = [scores.edges[0], scores.edges.at(-1)];
    const x = (value) => 12 + ((value - first) / Math.max(last - first, 1e-12)) * (WIDTH - 24);
    const y = (value) => TOP + (1 - value / maxDensity) * (HEIGHT - TOP - BOTTOM);
    const k = g.data.k[reference];
    const body = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Histogram of the distances from ${g.datasetName(query)} and ${g.datasetName(reference)} images to the ${g.ordinal(k)} nearest ${g.datasetName(reference)} image` });
    for (const [dataset, values] of series) {
      const corners = values.flatMap((value, bin) => [`${x(scores.edges[bin])},${y(value)}`, `${x(scores.edges[bin + 1])},${y(value)}`]);
      body.append(svg("polygon", { points: [`${x(first)},${y(0)}`, ...corners, `${x(last)},${y(0)}`].join(" "), class: "area", color: `var(--dataset-${dataset})` }));
    }
    for (const [value, anchor] of [[first, "start"], [last, "end"]]) {
      body.append(svgText({ x: x(value), y: HEIGHT - 6, class: "tick", "text-anchor": anchor }, g.formatShort(value)));
    }
    body.append(svgText({ x: WIDTH / 2, y: HEIGHT - 6, class: "tick", "text-anchor": "middle" }, "near → far"));
    return g.make("figure", {}, g.make("figcaption", {},
      g.make("strong", {}, `Outside scores at ${g.data.levels[state.level].name}`),
      g.make("span", { class: "quiet" }, `Distance to the ${g.ordinal(k)} nearest ${g.datasetName(reference)} image: of `, g.tag(query), " images, and of ", g.tag(reference), " images among themselves")), body);
  };

  // How a kind stands at every level: how much of it is listed, and how much of the reference is lacking around it.
  const kindChart = (state) => {
    if (state.kind === null) return null;
    const kind = g.data.kinds[state.kind];
    const [query, reference] = g.data.pairs[kind.pair];
    const cell = (value) => [value, null, null, null, null, null];
    const rows = (field) => kind.evidence.map((values) => g.data.pairs.map((_, pair) => (pair === kind.pair ? cell(values[field]) : null)));
    const help = [`Of ${kind.name}: share of its images that each level lists`, `What is missing of ${g.datasetName(reference)} among the nearest of its images: none 0%, all 100%`];
    return [`${kind.id}: listed`, `${kind.id}: lacking in ${g.datasetName(reference)}`].map((label, field) => {
      const figure = lineChart({ label, help: help[field], format: "percent", rows: rows(field), key: `kind-${field}` }, [kind.pair], state.level);
      figure.classList.add("kind-figure");
      figure.style.setProperty("--color", `var(--dataset-${query})`);
      return figure;
    });
  };

  g.drawCharts = (state) => {
    const [query, reference] = g.data.pairs[state.pair] ?? [];
    const pairs = g.data.pairs.flatMap(([q, r], pair) => (
      (q === query && r === reference) || (q === reference && r === query) ? [pair] : []));
    const charts = g.data.charts[state.reading];
    const hasIntervals = charts.some(({ rows }) => rows.some((row) => row.some((cell) => cell && cell[1] !== null)));
    const hasFloors = charts.some(({ rows }) => rows.some((row) => row.some((cell) => cell && cell[3] !== null)));
    g.byId("charts-note").replaceChildren(...pairs.flatMap((pair, index) => [
      index ? " " : "", g.tag(g.data.pairs[pair][0]), ` against ${g.datasetName(g.data.pairs[pair][1])}.`]),
    hasIntervals ? " Vertical lines: 95% intervals." : "",
    hasFloors ? " Dashed lines: the noise floor, which is what two alike datasets would have." : "");
    g.byId("charts").replaceChildren(...[...(kindChart(state) ?? []), histogram(state), ...charts.map((chart) => lineChart(chart, pairs, state.level))].filter(Boolean));
  };
})();
