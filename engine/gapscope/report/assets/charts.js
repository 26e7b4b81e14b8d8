"use strict";
// One small chart per measure: levels from fine to coarse, a line per direction of the chosen pair.
(() => {
  const g = gapscope;
  const SHOWN = ["outlier_share", "share_outside", "coverage", "reference_neighbours"];
  const EXPECTED = { reference_neighbours: "reference_neighbours_expected" };
  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [300, 150, 38, 12, 10, 24];

  const svg = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const ceiling = (values) => {
    const most = Math.max(0, ...values);
    return [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((step) => step >= most) ?? 1;
  };

  const chart = (at, pairs, current) => {
    const { columns, rows } = g.facts.numbers;
    const [key, label, , help] = columns[at];
    const expectedAt = columns.findIndex(([name]) => name === EXPECTED[key]);
    const series = pairs.map((pair) => ({ pair, values: rows.map((level) => level[pair][at]) }));
    const dashes = expectedAt < 0 ? [] : pairs.map((pair) => ({ pair, values: rows.map((level) => level[pair][expectedAt]) }));
    const all = [...series, ...dashes].flatMap(({ values }) => values).filter((value) => value !== null);
    if (!all.length) return null;
    const top = ceiling(all);
    const x = (level) => rows.length === 1 ? (LEFT + WIDTH - RIGHT) / 2 : LEFT + (level / (rows.length - 1)) * (WIDTH - LEFT - RIGHT - 16) + 8;
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    const body = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${label} by level` });
    for (const part of [0, 0.5, 1]) {
      const height = y(top * part);
      const text = svg("text", { x: LEFT - 6, y: height + 4, class: "tick", "text-anchor": "end" });
      text.textContent = `${Number((top * part * 100).toPrecision(2))}%`;
      body.append(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: height, y2: height, class: "rule" }), text);
    }
    rows.forEach((_, level) => {
      const text = svg("text", { x: x(level), y: HEIGHT - 6, class: level === current ? "tick here" : "tick", "text-anchor": "middle" });
      text.textContent = g.facts.levels[level].name;
      body.append(text);
    });
    body.append(svg("line", { x1: x(current), x2: x(current), y1: TOP, y2: HEIGHT - BOTTOM, class: "now" }));
    const path = (values) => values.map((value, level) => value === null ? "" : `${x(level)},${y(value)}`).filter(Boolean).join(" ");
    for (const { pair, values } of dashes) {
      body.append(svg("polyline", { points: path(values), class: "expected", style: `stroke: var(--dataset-${g.facts.pairs[pair][0]})` }));
    }
    for (const { pair, values } of series) {
      const color = `var(--dataset-${g.facts.pairs[pair][0]})`;
      body.append(svg("polyline", { points: path(values), class: "line", style: `stroke: ${color}` }));
      values.forEach((value, level) => {
        if (value === null) return;
        const title = svg("title", {});
        title.textContent = `${g.facts.levels[level].name}, ${pairWords(pair)}: ${g.percent(value)}`;
        body.append(svg("circle", { cx: x(level), cy: y(value), r: level === current ? 4 : 3, style: `fill: ${color}` }, title));
      });
    }
    const caption = dashes.length ? `${help}; dashed: if alike` : help;
    return g.make("figure", {}, g.make("figcaption", {}, g.make("strong", {}, sentence(label)), g.make("span", { class: "quiet" }, caption)), body);
  };

  const sentence = (text) => text[0].toUpperCase() + text.slice(1);
  const pairWords = (pair) => g.facts.pairs[pair].map(g.name).join(" vs ");

  g.drawCharts = (state) => {
    const box = g.byId("charts");
    const [query, reference] = g.facts.pairs[state.pair] ?? [];
    const pairs = g.facts.pairs.flatMap(([q, r], at) => (
      (q === query && r === reference) || (q === reference && r === query) ? [at] : []));
    const note = g.byId("charts-note");
    note.replaceChildren(...pairs.flatMap((pair, at) => [
      at ? " " : "", g.tag(g.facts.pairs[pair][0]), ` against ${g.name(g.facts.pairs[pair][1])}.`]));
    const figures = SHOWN.map((key) => g.facts.numbers.columns.findIndex(([name]) => name === key))
      .filter((at) => at >= 0).map((at) => chart(at, pairs, state.level));
    box.replaceChildren(...figures.filter(Boolean));
  };
})();
