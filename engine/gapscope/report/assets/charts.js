"use strict";
// One small chart per measure, levels from fine to coarse, and the histogram of scores at the level that is shown.
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
  const written = (attributes, words) => {
    const text = svg("text", attributes);
    text.textContent = words;
    return text;
  };
  const color = (pair) => `var(--dataset-${g.facts.pairs[pair][0]})`;

  // The end of an axis: a round number that is not below `most`.
  const ceiling = (most) => {
    if (!(most > 0)) return 0;
    const unit = 10 ** Math.floor(Math.log10(most));
    return unit * STEPS.find((step) => step * unit >= most * (1 - 1e-9));
  };
  const range = (values, format) => {
    const top = ceiling(Math.max(0, ...values));
    const bottom = -ceiling(-Math.min(0, ...values));
    if (top === bottom) return [0, 1];
    return [bottom, format === "percent" ? Math.min(1, top) : top];
  };
  const shown = (value, format) => (format === "percent" ? g.percent(value) : g.small(value));

  // A measure that is the same in both directions is one line.
  const directions = (chart, pairs) => {
    if (pairs.length < 2) return pairs;
    const same = chart.rows.every((row) => JSON.stringify(row[pairs[0]]) === JSON.stringify(row[pairs[1]]));
    return same ? pairs.slice(0, 1) : pairs;
  };

  const inWords = (chart, cell, alone, pair) => {
    const [value, low, high, , ratio, p] = cell;
    const interval = low !== null && high !== null ? ` (${shown(low, chart.format)} to ${shown(high, chart.format)})` : "";
    const times = ratio !== null ? `, ${g.small(ratio)} times the noise floor` : "";
    const chance = p !== null ? `, p ${g.small(p)}` : "";
    return `${alone ? "" : `${g.name(g.facts.pairs[pair][0])}: `}${shown(value, chart.format)}${interval}${times}${chance}`;
  };

  const drawn = (chart, pairs, current) => {
    const lines = directions(chart, pairs).filter((pair) => chart.rows.some((row) => row[pair]));
    if (!lines.length) return null;
    const cells = lines.map((pair) => chart.rows.map((row) => row[pair]));
    const values = cells.flat().filter(Boolean).flatMap((cell) => cell.slice(0, 4)).filter((value) => value !== null);
    const [bottom, top] = range(values, chart.format);
    const levels = chart.rows.length;
    const x = (level) => levels === 1 ? (LEFT + WIDTH - RIGHT) / 2 : LEFT + (level / (levels - 1)) * (WIDTH - LEFT - RIGHT - 16) + 8;
    const y = (value) => TOP + (1 - (Math.min(top, Math.max(bottom, value)) - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
    const words = lines.flatMap((pair, line) => cells[line].flatMap((cell, level) => cell ? [`${g.facts.levels[level].name} ${inWords(chart, cell, false, pair)}`] : []));
    const body = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${chart.label} by level. ${words.join("; ")}` });
    for (const part of [0, 0.5, 1]) {
      const value = bottom + part * (top - bottom);
      body.append(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "rule" }),
        written({ x: LEFT - 6, y: y(value) + 4, class: "tick", "text-anchor": "end" },
          chart.format === "percent" ? `${Number((value * 100).toPrecision(2))}%` : g.small(value)));
    }
    g.facts.levels.forEach(({ name }, level) => body.append(
      written({ x: x(level), y: HEIGHT - 6, class: level === current ? "tick here" : "tick", "text-anchor": "middle" }, name)));
    body.append(svg("line", { x1: x(current), x2: x(current), y1: TOP, y2: HEIGHT - BOTTOM, class: "now" }));
    const path = (row, at) => row.map((cell, level) => cell && cell[at] !== null ? `${x(level)},${y(cell[at])}` : "").filter(Boolean).join(" ");
    lines.forEach((pair, line) => {
      if (cells[line].some((cell) => cell && cell[3] !== null)) {
        body.append(svg("polyline", { points: path(cells[line], 3), class: "expected", color: color(pair) }));
      }
    });
    lines.forEach((pair, line) => {
      const aside = lines.length > 1 ? 2 - 4 * line : 0;
      cells[line].forEach((cell, level) => {
        if (!cell || cell[1] === null || cell[2] === null) return;
        body.append(svg("line", { x1: x(level) - aside, x2: x(level) - aside, y1: y(cell[1]), y2: y(cell[2]), class: "interval", color: color(pair) }));
      });
      body.append(svg("polyline", { points: path(cells[line], 0), class: "line", color: color(pair) }));
      cells[line].forEach((cell, level) => {
        if (!cell) return;
        const title = svg("title", {});
        title.textContent = `${g.facts.levels[level].name}, ${inWords(chart, cell, false, pair)}`;
        body.append(svg("circle", { cx: x(level), cy: y(cell[0]), r: level === current ? 4 : 3, class: "dot", color: color(pair) }, title));
      });
    });
    const now = lines.flatMap((pair, line) => cells[line][current] ? [g.make("span", { class: "now-words" }, inWords(chart, cells[line][current], lines.length === 1, pair))] : []);
    return g.make("figure", {},
      g.make("figcaption", {}, g.make("strong", {}, chart.label), g.make("span", { class: "quiet" }, chart.help), ...now), body);
  };

  // Both datasets' scores as outlines over the same edges; each fills the same area, however many images it has.
  const histogram = (state) => {
    const found = g.facts.histograms[state.level]?.[state.pair];
    if (!found) return null;
    const [query, reference] = g.facts.pairs[state.pair];
    const share = (counts) => {
      const all = counts.reduce((sum, count) => sum + count, 0) || 1;
      return counts.map((count, at) => count / all / Math.max(found.edges[at + 1] - found.edges[at], 1e-12));
    };
    const series = [[reference, share(found.reference)], [query, share(found.query)]];
    const most = Math.max(...series.flatMap(([, values]) => values), 1e-12);
    const [first, last] = [found.edges[0], found.edges.at(-1)];
    const x = (value) => 12 + ((value - first) / Math.max(last - first, 1e-12)) * (WIDTH - 24);
    const y = (value) => TOP + (1 - value / most) * (HEIGHT - TOP - BOTTOM);
    const k = g.facts.k[reference];
    const body = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Histogram of the distances from ${g.name(query)} and ${g.name(reference)} images to the ${k}. nearest ${g.name(reference)} image` });
    for (const [dataset, values] of series) {
      const corners = values.flatMap((value, at) => [`${x(found.edges[at])},${y(value)}`, `${x(found.edges[at + 1])},${y(value)}`]);
      body.append(svg("polygon", { points: [`${x(first)},${y(0)}`, ...corners, `${x(last)},${y(0)}`].join(" "), class: "area", color: `var(--dataset-${dataset})` }));
    }
    for (const [value, anchor] of [[first, "start"], [last, "end"]]) {
      body.append(written({ x: x(value), y: HEIGHT - 6, class: "tick", "text-anchor": anchor }, g.small(value)));
    }
    body.append(written({ x: WIDTH / 2, y: HEIGHT - 6, class: "tick", "text-anchor": "middle" }, "near → far"));
    return g.make("figure", {}, g.make("figcaption", {},
      g.make("strong", {}, `Outside scores at ${g.facts.levels[state.level].name}`),
      g.make("span", { class: "quiet" }, "How far ", g.tag(query), " images, and ", g.tag(reference), ` images among themselves, lie from their nearest ${g.name(reference)} images (number ${k})`)), body);
  };

  g.drawCharts = (state) => {
    const [query, reference] = g.facts.pairs[state.pair] ?? [];
    const pairs = g.facts.pairs.flatMap(([q, r], at) => (
      (q === query && r === reference) || (q === reference && r === query) ? [at] : []));
    const measured = g.facts.charts.some(({ rows }) => rows.some((row) => row.some((cell) => cell && cell[1] !== null)));
    const floors = g.facts.charts.some(({ rows }) => rows.some((row) => row.some((cell) => cell && cell[3] !== null)));
    g.byId("charts-note").replaceChildren(...pairs.flatMap((pair, at) => [
      at ? " " : "", g.tag(g.facts.pairs[pair][0]), ` against ${g.name(g.facts.pairs[pair][1])}.`]),
    measured ? " Upright strokes are 95% intervals." : "",
    floors ? " Dashed: what two like datasets would have (the noise floor)." : "");
    g.byId("charts").replaceChildren(...[histogram(state), ...g.facts.charts.map((chart) => drawn(chart, pairs, state.level))].filter(Boolean));
  };
})();
