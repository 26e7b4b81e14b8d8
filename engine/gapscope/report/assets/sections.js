"use strict";
// Everything below and beside the map: pairs in words, gallery, clusters, tables, confounders, provenance.
(() => {
  const g = gapscope;
  const PAGE = 24;

  const cell = (level, pair, key) => {
    const at = g.facts.numbers.columns.findIndex(([name]) => name === key);
    return at < 0 ? null : g.facts.numbers.rows[level][pair][at];
  };
  g.cell = cell;
  const levelName = (state) => g.facts.levels[state.level].name;
  const pairName = (pair) => g.facts.pairs[pair].map(g.name).join("-vs-");

  // One pair at one level, in words.
  const words = (level, pair) => {
    const [query, reference] = g.facts.pairs[pair].map(g.name);
    const of = (key) => cell(level, pair, key) ?? 0;
    const head = `${g.count(of("outliers"))} of ${g.count(of("images"))} ${query} images (${g.percent(of("outlier_share"))}) are outliers`;
    const why = [
      of("outside") ? `${g.count(of("outside"))} outside ${reference}` : "",
      of("under_represented") ? `${g.count(of("under_represented"))} of a kind that ${reference} has too few of` : "",
    ].filter(Boolean).join(", ");
    const share = cell(level, pair, "share_outside");
    return [why ? `${head}: ${why}.` : `${head}.`, share === null ? "" : `About ${g.percent(share)} of ${query} lies outside ${reference}.`];
  };

  g.drawPairs = (state) => {
    g.byId("pairs-title").textContent = `At ${levelName(state)}`;
    const order = g.facts.pairs.map((_, pair) => pair);
    if (order.length > 2) order.sort((a, b) => (cell(state.level, b, "outlier_share") ?? 0) - (cell(state.level, a, "outlier_share") ?? 0) || a - b);
    const most = Math.max(0.001, ...order.map((pair) => cell(state.level, pair, "outlier_share") ?? 0));
    g.byId("pairs").replaceChildren(...order.map((pair) => {
      const [query, reference] = g.facts.pairs[pair];
      const [what, share] = words(state.level, pair);
      const bar = g.make("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--color", `var(--dataset-${query})`);
      bar.style.setProperty("--share", (cell(state.level, pair, "outlier_share") ?? 0) / most);
      return g.make("button", { type: "button", class: "pair", "aria-pressed": String(pair === state.pair), onclick: () => g.update({ pair }) },
        g.make("span", { class: "pair-head" }, g.tag(query), g.make("span", { class: "quiet" }, "vs"), g.tag(reference),
          g.make("span", { class: "number" }, g.percent(cell(state.level, pair, "outlier_share") ?? 0))),
        bar, g.make("span", { class: "what" }, what), share ? g.make("span", { class: "quiet" }, share) : null);
    }));
  };

  g.drawGallery = (level, state) => {
    const items = g.byId("gallery-items");
    const list = level.lists[state.pair];
    const title = g.byId("gallery-title");
    if (!list) {
      title.textContent = "Worst outliers";
      items.replaceChildren();
      return;
    }
    const [query, reference] = g.facts.pairs[state.pair];
    title.replaceChildren("Worst outliers of ", g.tag(query), " against ", g.tag(reference), ` at ${levelName(state)}`);
    const shown = Math.min(state.shown, list.image.length);
    g.byId("gallery-note").textContent = list.total
      ? `${g.count(shown)} of ${g.count(list.total)} ${g.name(query)} images that ${g.name(reference)} has nothing, or too little, like. The whole list: manifests/${levelName(state)}.${pairName(state.pair)}.csv`
      : `No ${g.name(query)} image is listed as an outlier against ${g.name(reference)} at this level.`;
    items.replaceChildren(...Array.from({ length: shown }, (_, at) => g.entry(list, at)).map((entry) => g.make("li", {},
      g.make("button", {
        type: "button", class: "item", "aria-pressed": String(entry.image === state.pinned),
        title: g.image.name(entry.image), onclick: () => g.pinFromList(entry.image),
      },
      g.boxed(entry.image, 132),
      g.make("span", { class: "item-head" }, g.make("strong", {}, g.count(entry.rank)), g.make("span", { class: "quiet" }, `q ${g.small(entry.q)}`)),
      g.make("span", { class: "file" }, g.make("bdi", {}, g.image.name(entry.image))),
      g.make("span", { class: "kind quiet" }, g.REASONS[entry.reason])))));
    g.byId("more").hidden = shown >= list.image.length;
    g.byId("select-list").hidden = !list.image.length;
  };
  g.PAGE = PAGE;

  g.ofCluster = (level, cluster) => {
    const members = [];
    level.clusters.forEach((which, image) => {
      if (which === cluster) members.push(image);
    });
    return members;
  };

  g.drawClusters = (level, state) => {
    const { count, oneSided } = g.facts.clusters[state.level];
    g.byId("clusters-title").textContent = `Clusters of one dataset at ${levelName(state)}`;
    g.byId("clusters-note").textContent = count === 0 ? "No clusters were found at this level."
      : `${oneSided.length ? g.count(oneSided.length) : "None"} of ${g.count(count)} clusters ${oneSided.length === 1 ? "belongs" : "belong"} almost only to one dataset.`;
    g.byId("clusters").replaceChildren(...oneSided.map(([cluster, images, dataset, share, typical]) => {
      const members = typical.slice(0, 6);
      for (let image = 0; image < level.clusters.length && members.length < 6; image++) {
        if (level.clusters[image] === cluster && g.image.dataset[image] === dataset && !members.includes(image)) members.push(image);
      }
      const on = state.cluster === cluster;
      return g.make("li", { class: "cluster" },
        g.make("div", { class: "strip" }, ...members.map((image) => g.make("button", {
          type: "button", class: "neighbor", title: g.image.name(image), "aria-label": `Pin ${g.image.name(image)}`,
          onclick: () => g.pinFromList(image),
        }, g.boxed(image, 64)))),
        g.make("div", { class: "cluster-head" },
          g.make("p", {}, g.make("strong", {}, `Cluster ${cluster}`), ` · ${g.images(images)} · ${g.percent(share)} `, g.tag(dataset)),
          g.make("span", { class: "buttons" },
            g.make("button", { type: "button", class: "plain", "aria-pressed": String(on), onclick: () => g.showCluster(on ? null : cluster) }, on ? "Hide on map" : "Show on map"),
            g.make("button", { type: "button", class: "plain", onclick: () => g.select(g.ofCluster(level, cluster), "add") }, "Select"))));
    }));
  };

  // The sentences that sum a pair up, as the comparison wrote them, the widest gap first.
  const HEADS = 4;
  g.drawHeads = () => {
    const widest = (pair) => Math.max(...g.facts.levels.map((_, level) => cell(level, pair, "outlier_share") ?? 0));
    const order = g.facts.pairs.flatMap((_, pair) => (g.facts.heads[pair] ? [pair] : []))
      .sort((a, b) => widest(b) - widest(a) || a - b);
    g.byId("heads").hidden = !order.length;
    g.byId("heads").replaceChildren(...order.slice(0, HEADS).map((pair) => {
      const mark = g.swatch(g.facts.pairs[pair][0]);
      return g.make("li", {}, mark, g.make("bdi", {}, g.facts.heads[pair]));
    }));
    return order.length > 0;
  };

  // What could fool the comparison: the files instead of what they show.
  g.drawConfounders = () => {
    const { pairs, confounders } = g.facts;
    const between = ([query, reference]) => [g.tag(query), " and ", g.tag(reference)];
    // Either direction says the same of the files.
    const shown = pairs.flatMap(([query, reference], pair) => (confounders[pair]
      && !(query > reference && confounders[pairs.findIndex(([q, r]) => q === reference && r === query)]) ? [pair] : []));
    const warned = shown.filter((pair) => confounders[pair].warning);
    g.byId("confounded").hidden = !warned.length;
    g.byId("confounded").replaceChildren(...warned.map((pair) => g.make("p", {}, g.make("strong", {}, "Look at the files first: "),
      g.make("bdi", {}, confounders[pair].warning), ". ", g.make("a", { href: "#confounders" }, "See how they differ."))));
    g.byId("confounders").hidden = !shown.length;
    g.byId("confounder-pairs").replaceChildren(...shown.map((pair) => {
      const { auc, rows } = confounders[pair];
      const [query, reference] = pairs[pair];
      const words = auc === null ? [] : [`: the files alone tell them apart with AUC ${g.small(auc)} (0.5 is a guess, 1 is always).`];
      return g.make("section", {}, g.make("p", {}, ...between(pairs[pair]), ...words),
        rows.length ? g.make("div", { class: "scroller", role: "region", "aria-label": `How the files of ${g.name(query)} and ${g.name(reference)} differ`, tabindex: 0 },
          g.make("table", { class: "confounders" },
            g.make("thead", {}, g.make("tr", {}, ...["what", "effect", g.name(query), g.name(reference)].map((name) => g.make("th", { scope: "col" }, name)))),
            g.make("tbody", {}, ...rows.map(([name, effect, ...sides]) => g.make("tr", {},
              g.make("th", { scope: "row" }, g.make("bdi", {}, name)), g.make("td", {}, effect === null ? "–" : g.small(effect)),
              ...sides.map((side) => g.make("td", {}, g.make("bdi", {}, side)))))))) : null);
    }));
  };

  g.drawNumbers = (state) => {
    const { columns, rows } = g.facts.numbers;
    const head = g.make("thead", {}, g.make("tr", {}, g.make("th", { scope: "col" }, "level"), g.make("th", { scope: "col" }, "pair"),
      ...columns.map(([, label, , help]) => g.make("th", { scope: "col", class: "value", title: help }, label))));
    const bodies = rows.map((pairs, level) => g.make("tbody", { class: level === state.level ? "now" : null }, ...pairs.map((values, pair) => {
      const [query, reference] = g.facts.pairs[pair];
      return g.make("tr", {},
        pair === 0 ? g.make("th", { scope: "rowgroup", rowspan: pairs.length }, g.facts.levels[level].name) : null,
        g.make("th", { scope: "row", class: "pair-cell" }, g.tag(query), g.make("span", { class: "quiet" }, " vs "), g.tag(reference)),
        ...values.map((value, at) => g.make("td", {}, g.shown(value, columns[at][2]))));
    })));
    g.byId("numbers").replaceChildren(head, ...bodies);
  };

  g.drawRejects = () => {
    const { counts, rows } = g.facts.rejects;
    const all = g.facts.datasets.reduce((sum, { rejected }) => sum + rejected, 0);
    g.byId("rejects-box").hidden = rows.length === 0;
    g.byId("rejects-note").textContent = all === 0 ? "Every listed image was read."
      : `${g.images(all)} could not be read and ${all === 1 ? "is" : "are"} in no number above: ${counts.map(([dataset, status, count]) => `${g.count(count)} ${status} in ${g.name(dataset)}`).join(", ")}.${rows.length < all ? ` The first ${g.count(rows.length)} are named here; the index in the run's folder has them all.` : ""}`;
    g.byId("rejects").replaceChildren(
      g.make("thead", {}, g.make("tr", {}, ...["dataset", "status", "image", "reason"].map((name) => g.make("th", { scope: "col" }, name)))),
      g.make("tbody", {}, ...rows.map(([dataset, uri, status, error]) => g.make("tr", {},
        g.make("td", {}, g.tag(dataset)), g.make("td", {}, status),
        g.make("td", { class: "file" }, g.make("bdi", {}, uri)), g.make("td", { class: "reason" }, error)))));
  };

  g.drawProvenance = () => {
    g.byId("provenance").replaceChildren(...g.facts.provenance.filter(([, lines]) => lines.length).map(([title, lines]) => (
      g.make("section", {}, g.make("h3", {}, title), g.make("dl", {}, ...lines.flatMap(([label, text]) => [
        g.make("dt", {}, label.replaceAll("_", " ")), g.make("dd", {}, g.make("bdi", {}, text))]))))));
  };
})();
