"use strict";
// The sections below and beside the map: pairs, gallery, clusters, tables, confounders, provenance.
(() => {
  const g = gapscope;
  const GALLERY_STEP = 24;

  // A pair's number at a level, in the reading that is shown by default; null if the run does not have it.
  const tableValue = (level, pair, key, reading = g.state.reading) => {
    const { columns, rows } = g.data.numbers[reading];
    const column = columns.findIndex(([name]) => name === key);
    return column < 0 ? null : rows[level][pair][column];
  };
  g.tableValue = tableValue;
  const isAside = (state) => state.reading === "style-aside";
  // What tells the readings apart in a title; nothing where there is one.
  g.readingSuffix = (state) => (g.data.readings.length < 2 ? "" : isAside(state) ? ", style aside" : ", as it is");
  const levelName = (state) => g.data.levels[state.level].name;
  const pairName = (pair) => g.data.pairs[pair].map(g.datasetName).join("-vs-");

  const cellOf = (key, level, pair, reading) => g.data.charts[reading].find((chart) => chart.key === key)?.rows[level][pair];
  // The interval of the share that is not like the reference, in parentheses.
  const shareRange = (level, pair, reading = g.state.reading) => {
    const cell = cellOf("share_outside", level, pair, reading);
    return cell && cell[1] !== null && cell[2] !== null ? ` (${g.formatPercent(cell[1])} to ${g.formatPercent(cell[2])})` : "";
  };
  g.shareUnlike = (level, pair, reading) => {
    const share = tableValue(level, pair, "share_outside", reading);
    return share === null ? "" : `${g.formatPercent(share)}${shareRange(level, pair, reading)}`;
  };

  // What a list style aside rests on, in a sentence.
  g.basisSentence = (level, pair) => {
    const { basis, content } = g.data.styleAside[level][pair];
    const listed = tableValue(level, pair, "outliers", "style-aside");
    if (basis === "ranking" && content !== null && content < g.data.minContent) {
      return "No list: this level does not see the same content in both; here is the order.";
    }
    if (basis === "ranking") return "No list: some of the look remains, and what may be missing cannot be told from it; here is the order.";
    if (basis === "suggested") return "A suggestion: some of the look remains; no guarantee.";
    const falseShare = g.data.fdr === null ? "" : `${Number((g.data.fdr * 100).toPrecision(3))}%`;
    return listed ? `At most ${falseShare} false, expected.` : `None can be listed with at most ${falseShare} false, expected.`;
  };

  // Two sentences about a pair at a level.
  const pairSentences = (level, pair) => {
    const [query, reference] = g.data.pairs[pair].map(g.datasetName);
    const number = (key) => tableValue(level, pair, key) ?? 0;
    const groups = tableValue(level, pair, "groups");
    const dataset = g.data.pairs[pair][0];
    const inGroups = groups === null || groups === number("images") ? ""
      : `, ${g.formatCount(number("outlier_groups"))} of ${g.formatCount(groups)} ${g.unit(dataset, groups)}`;
    const outliers = `${g.formatCount(number("outliers"))} of ${g.formatCount(number("images"))} ${query} ${g.rowUnits(dataset)}${inGroups} (${g.formatPercent(number("outlier_share"))})${inGroups && ","} are ${isAside(g.state) ? "listed" : "outliers"}`;
    const reasons = [
      number("outside") ? `${g.formatCount(number("outside"))} outside ${reference}` : "",
      number("under_represented") ? `${g.formatCount(number("under_represented"))} under-represented in ${reference}` : "",
    ].filter(Boolean).join(", ");
    const unlike = g.shareUnlike(level, pair, g.state.reading);
    const remains = isAside(g.state) && g.data.styleAside[level][pair].basis !== "calibrated" ? ", with what remains of the look" : "";
    const beyondNoise = cellOf("two_sample", level, pair, g.state.reading)?.[4] ?? null;
    const noise = beyondNoise === null ? "" : ` As a whole the two differ ${beyondNoise ? "beyond" : "within"} noise.`;
    const isUnlisted = isAside(g.state) && g.data.styleAside[level][pair].basis !== "calibrated" && !number("outliers");
    const list = isUnlisted ? "" : reasons ? `${outliers}: ${reasons}.` : `${outliers}.`;
    return [list, isAside(g.state) ? g.basisSentence(level, pair) : "", unlike ? `Share not like the reference: ${unlike}${remains}.${noise}` : noise.trim()];
  };

  g.drawPairs = (state) => {
    g.byId("pairs-title").textContent = `At ${levelName(state)}${g.readingSuffix(state)}`;
    const order = g.data.pairs.map((_, pair) => pair);
    if (order.length > 2) order.sort((a, b) => (tableValue(state.level, b, "outlier_share") ?? 0) - (tableValue(state.level, a, "outlier_share") ?? 0) || a - b);
    const maxShare = Math.max(0.001, ...order.map((pair) => tableValue(state.level, pair, "outlier_share") ?? 0));
    g.byId("pairs").replaceChildren(...order.map((pair) => {
      const [query, reference] = g.data.pairs[pair];
      const [outliers, basis, unlike] = pairSentences(state.level, pair);
      const bar = g.make("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--color", `var(--dataset-${query})`);
      bar.style.setProperty("--share", (tableValue(state.level, pair, "outlier_share") ?? 0) / maxShare);
      return g.make("button", { type: "button", class: "pair", "aria-pressed": String(pair === state.pair), onclick: () => g.update({ pair }) },
        g.make("span", { class: "pair-head" }, g.tag(query), g.make("span", { class: "quiet" }, "vs"), g.tag(reference),
          g.make("span", { class: "number" }, g.shareListed(state.level, pair, state.reading))),
        bar, ...[outliers, basis].filter(Boolean).map((text) => g.make("span", {}, text)), unlike ? g.make("span", { class: "quiet" }, unlike) : null);
    }));
  };

  // The entries of a list, those of one group behind the first of them.
  const stacksOf = (list) => {
    const stacks = [];
    const byGroup = new Map();
    for (let index = 0; index < list.image.length; index++) {
      const entry = g.readEntry(list, index);
      const group = g.image.group === null ? -1 : g.image.group[entry.image];
      if (group >= 0 && byGroup.has(group)) byGroup.get(group).push(entry);
      else {
        const stack = [entry];
        if (group >= 0) byGroup.set(group, stack);
        stacks.push(stack);
      }
    }
    return stacks;
  };

  const galleryItem = (image, state, head, kind, ...more) => g.make("li", {},
    g.make("button", {
      type: "button", class: "item", "aria-pressed": String(image === state.pinned),
      title: g.image.name(image), onclick: () => g.pinFromList(image),
    },
    g.boxedThumbnail(image, 132), head,
    g.make("span", { class: "file" }, g.make("bdi", {}, g.image.name(image))),
    g.make("span", { class: "kind quiet" }, kind)), ...more);

  const itemHead = (first, second) => g.make("span", { class: "item-head" }, g.make("strong", {}, first), g.make("span", { class: "quiet" }, second));

  const outlierItem = (entry, rank, state, ...more) => galleryItem(entry.image, state,
    itemHead(g.formatCount(rank), `q ${g.formatShort(entry.q)}`), g.REASON_TEXTS[entry.reason], ...more);

  // One picture per group, with the others behind it.
  const stackItems = (stack, rank, state, dataset) => {
    const [first, ...behind] = stack;
    if (g.groupOf(first.image) === null) return [outlierItem(first, first.rank, state)];
    if (!behind.length) return [outlierItem(first, rank, state)];
    const group = g.image.group[first.image];
    const open = state.openGroup === group;
    const toggle = g.make("button", {
      type: "button", class: "plain behind", "aria-expanded": String(open), "data-group": group,
      onclick: () => g.update({ openGroup: open ? null : group }),
    }, open ? "Show one" : `${g.formatCount(behind.length)} more of this ${g.unit(dataset, 1)}`);
    return [outlierItem(first, rank, state, toggle), ...(open ? behind.map((entry) => outlierItem(entry, rank, state)) : [])];
  };

  const drawRanking = (ranking, state, query, reference) => {
    g.byId("gallery-title").replaceChildren("Ranking of ", g.tag(query), " against ", g.tag(reference), ` at ${levelName(state)}${g.readingSuffix(state)}`);
    const why = g.data.limits[state.pair] ? `${g.data.limits[state.pair]}. Here is the ranking.` : g.basisSentence(state.level, state.pair);
    const more = isAside(state) ? ` More of it: manifests/${levelName(state)}.${pairName(state.pair)}.style-aside.csv` : "";
    g.byId("gallery-note").textContent = `${why} None of these is sure: they stand out most, and as many would where nothing differs.${more}`;
    g.byId("gallery-items").replaceChildren(...Array.from(ranking.image.slice(0, state.galleryLength), (image, index) => {
      const group = g.groupOf(image);
      const size = group && group.images > 1 ? `${g.groupName(group)}, ${g.formatCount(group.images)} ${g.rowUnits(query)}` : "not listed";
      return galleryItem(image, state, itemHead(g.formatCount(index + 1), `p ${g.formatShort(ranking.numbers[3 * index])}`), size);
    }));
    g.byId("more").hidden = state.galleryLength >= ranking.image.length;
    g.byId("select-list").hidden = true;
  };

  // The images of the kind that is selected: those that the level lists, then the others.
  const drawKindGallery = (list, state, query, reference) => {
    const kind = g.data.kinds[state.kind];
    g.byId("gallery-title").replaceChildren(`${kind.id}, `, g.make("bdi", {}, kind.name), ": ", g.tag(query), " against ", g.tag(reference), ` at ${levelName(state)}${g.readingSuffix(state)}`);
    const stacks = stacksOf(list).map((stack) => stack.filter((entry) => g.image.kind[entry.image] === state.kind)).filter((stack) => stack.length);
    const listed = new Set(list.image);
    const others = g.kindImages(state.kind).filter((image) => !listed.has(image));
    const images = g.kindImages(state.kind).length;
    g.byId("gallery-note").textContent = `${g.formatCount(images - others.length)} of the ${g.formatCount(images)} images of this kind on this page are listed at this level. All of them: manifests/kinds.csv`;
    const items = [...stacks.flatMap((stack, index) => stackItems(stack, index + 1, state, query)),
      ...others.map((image) => galleryItem(image, state, itemHead("–", ""), "not listed at this level"))];
    g.byId("gallery-items").replaceChildren(...items.slice(0, state.galleryLength));
    g.byId("more").hidden = state.galleryLength >= items.length;
    g.byId("select-list").hidden = true;
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
    const [query, reference] = g.data.pairs[state.pair];
    if (state.kind !== null) {
      drawKindGallery(list, state, query, reference);
      return;
    }
    const ranking = level.rankings[state.pair];
    if (!list.total && ranking.image.length) {
      drawRanking(ranking, state, query, reference);
      return;
    }
    title.replaceChildren("Worst outliers of ", g.tag(query), " against ", g.tag(reference), ` at ${levelName(state)}${g.readingSuffix(state)}`);
    const stacks = stacksOf(list);
    const length = Math.min(state.galleryLength, stacks.length);
    const all = tableValue(state.level, state.pair, "groups");
    const groups = all === null || all === tableValue(state.level, state.pair, "images") ? null : tableValue(state.level, state.pair, "outlier_groups");
    const counted = groups === null ? `${g.formatCount(length)} of ${g.formatCount(list.total)} ${g.datasetName(query)} ${g.rowUnits(query)}`
      : `${g.formatCount(length)} of ${g.formatCount(groups)} ${g.datasetName(query)} ${g.unit(query, groups)}, ${g.formatCount(list.total)} ${g.rowUnits(query)} in all,`;
    const few = g.data.limits[state.pair] ? `${g.data.limits[state.pair]}. ` : "";
    const basis = isAside(state) ? `${g.basisSentence(state.level, state.pair)} ` : "";
    const isSuggested = isAside(state) && g.data.styleAside[state.level][state.pair].basis === "suggested";
    const what = isSuggested ? `whose content ${g.datasetName(reference)} seems to lack` : `that are outside ${g.datasetName(reference)} or under-represented in it`;
    g.byId("gallery-note").textContent = list.total
      ? `${few}${basis}${counted} ${what}. The whole list: manifests/${levelName(state)}.${pairName(state.pair)}${isAside(state) ? ".style-aside" : ""}${groups === null ? "" : ".groups"}.csv`
      : `No ${g.datasetName(query)} image is listed as an outlier against ${g.datasetName(reference)} at this level.`;
    items.replaceChildren(...stacks.slice(0, length).flatMap((stack, index) => stackItems(stack, index + 1, state, query)));
    g.byId("more").hidden = length >= stacks.length;
    g.byId("select-list").hidden = !list.image.length;
  };
  g.GALLERY_STEP = GALLERY_STEP;

  g.clusterImages = (level, cluster) => {
    const images = [];
    level.clusters.forEach((imageCluster, image) => {
      if (imageCluster === cluster) images.push(image);
    });
    return images;
  };

  const MAX_EXAMPLES = 6;
  g.drawClusters = (level, state) => {
    const { count, oneSided } = g.data.clusters[state.level];
    g.byId("clusters-title").textContent = `Clusters of one dataset at ${levelName(state)}`;
    g.byId("clusters-note").textContent = count === 0 ? "No clusters were found at this level."
      : `${oneSided.length ? g.formatCount(oneSided.length) : "None"} of ${g.formatCount(count)} clusters ${oneSided.length === 1 ? "belongs" : "belong"} almost entirely to one dataset.`;
    g.byId("clusters").replaceChildren(...oneSided.map(([cluster, images, dataset, share, typical]) => {
      const examples = typical.slice(0, MAX_EXAMPLES);
      for (let image = 0; image < level.clusters.length && examples.length < MAX_EXAMPLES; image++) {
        if (level.clusters[image] === cluster && g.image.dataset[image] === dataset && !examples.includes(image)) examples.push(image);
      }
      const onMap = state.cluster === cluster;
      return g.make("li", { class: "cluster" },
        g.make("div", { class: "strip" }, ...examples.map((image) => g.make("button", {
          type: "button", class: "neighbor", title: g.image.name(image), "aria-label": `Pin ${g.image.name(image)}`,
          onclick: () => g.pinFromList(image),
        }, g.boxedThumbnail(image, 64)))),
        g.make("div", { class: "cluster-head" },
          g.make("p", {}, g.make("strong", {}, `Cluster ${cluster}`), ` · ${g.formatImages(images)} · ${g.formatPercent(share)} `, g.tag(dataset)),
          g.make("span", { class: "buttons" },
            g.make("button", { type: "button", class: "plain", "aria-pressed": String(onMap), onclick: () => g.showCluster(onMap ? null : cluster) }, onMap ? "Hide on map" : "Show on map"),
            g.make("button", { type: "button", class: "plain", onclick: () => g.select(g.clusterImages(level, cluster), "add") }, "Select"))));
    }));
  };

  // What counts as one, and where that is too little to be sure of anything.
  g.drawNotes = () => {
    // Both directions of a pair have the same limit where both sides are as large.
    const isRepeated = (pair) => g.data.pairs.slice(0, pair).some(([query, reference], other) => query === g.data.pairs[pair][1]
      && reference === g.data.pairs[pair][0] && g.data.limits[other] && g.data.datasets[query].groups === g.data.datasets[reference].groups);
    const limits = g.data.limits.filter((text, pair) => text && !isRepeated(pair)).map((text) => g.make("li", {}, g.make("bdi", {}, text), ". ",
      g.make("a", { href: "#gallery" }, "See the ranking.")));
    const groups = g.data.groupNotes.map((text) => g.make("li", {}, g.make("bdi", {}, text)));
    g.byId("notes").hidden = !(limits.length + groups.length);
    g.byId("notes").replaceChildren(...limits, ...groups);
  };

  // Confounders: differences between the files rather than between what the images show.
  const MAX_WARNINGS = 3;
  g.drawConfounders = () => {
    const { pairs, confounders } = g.data;
    const between = ([query, reference]) => [g.tag(query), " and ", g.tag(reference)];
    // Both directions of a pair have the same confounders.
    const shownPairs = pairs.flatMap(([query, reference], pair) => (confounders[pair]
      && !(query > reference && confounders[pairs.findIndex(([q, r]) => q === reference && r === query)]) ? [pair] : []));
    const warnedPairs = shownPairs.filter((pair) => confounders[pair].warning);
    const { warnings } = g.data;
    g.byId("confounder-warning").hidden = !(warnings.length + warnedPairs.length);
    g.byId("confounder-warning").replaceChildren(...warnings.map((text) => g.make("p", {}, g.make("strong", {}, "Look at the pictures first: "),
      g.make("bdi", {}, text), ".")), ...warnedPairs.slice(0, MAX_WARNINGS).map((pair) => g.make("p", {}, g.make("strong", {}, "Look at the files first: "),
      g.make("bdi", {}, confounders[pair].warning), ". ", g.make("a", { href: "#confounders" }, "See how they differ."))));
    if (warnedPairs.length > MAX_WARNINGS) g.byId("confounder-warning").append(g.make("p", {}, `The files of ${g.formatCount(warnedPairs.length - MAX_WARNINGS)} more pairs of datasets differ as much.`));
    g.byId("confounders").hidden = !shownPairs.length;
    g.byId("confounder-pairs").replaceChildren(...shownPairs.map((pair) => {
      const { auc, rows } = confounders[pair];
      const [query, reference] = pairs[pair];
      const summary = auc === null ? [] : [`: the files alone tell them apart with an AUC of ${g.formatShort(auc)} (0.5 is chance, 1 is perfect).`];
      return g.make("section", {}, g.make("p", {}, ...between(pairs[pair]), ...summary),
        rows.length ? g.make("div", { class: "scroller", role: "region", "aria-label": `How the files of ${g.datasetName(query)} and ${g.datasetName(reference)} differ`, tabindex: 0 },
          g.make("table", { class: "confounders" },
            g.make("thead", {}, g.make("tr", {}, ...["property", "effect", g.datasetName(query), g.datasetName(reference)].map((name) => g.make("th", { scope: "col" }, name)))),
            g.make("tbody", {}, ...rows.map(([name, effect, ...values]) => g.make("tr", {},
              g.make("th", { scope: "row" }, g.make("bdi", {}, name)), g.make("td", {}, effect === null ? "–" : g.formatShort(effect)),
              ...values.map((value) => g.make("td", {}, g.make("bdi", {}, value)))))))) : null);
    }));
  };

  g.drawNumbers = (state) => {
    const { columns, rows } = g.data.numbers[state.reading];
    g.byId("numbers-title").textContent = `Numbers by level${g.readingSuffix(state)}`;
    const head = g.make("thead", {}, g.make("tr", {}, g.make("th", { scope: "col" }, "level"), g.make("th", { scope: "col" }, "pair"),
      ...columns.map(([, label, , help]) => g.make("th", { scope: "col", class: "value", title: help }, label))));
    const bodies = rows.map((pairs, level) => g.make("tbody", { class: level === state.level ? "current" : null }, ...pairs.map((values, pair) => {
      const [query, reference] = g.data.pairs[pair];
      return g.make("tr", {},
        pair === 0 ? g.make("th", { scope: "rowgroup", rowspan: pairs.length }, g.data.levels[level].name) : null,
        g.make("th", { scope: "row", class: "pair-cell" }, g.tag(query), g.make("span", { class: "quiet" }, " vs "), g.tag(reference)),
        ...values.map((value, column) => g.make("td", {}, g.formatValue(value, columns[column][2]),
          columns[column][0] === "share_outside" ? g.make("span", { class: "quiet" }, shareRange(level, pair)) : null)));
    })));
    g.byId("numbers").replaceChildren(head, ...bodies);
  };

  g.drawRejects = () => {
    const { counts, rows } = g.data.rejects;
    const total = g.data.datasets.reduce((sum, { rejected }) => sum + rejected, 0);
    g.byId("rejects-box").hidden = rows.length === 0;
    g.byId("rejects-note").textContent = total === 0 ? "Every listed image was read."
      : `${g.formatImages(total)} could not be read and ${total === 1 ? "is" : "are"} excluded from all numbers above: ${counts.map(([dataset, status, count]) => `${g.formatCount(count)} ${status} in ${g.datasetName(dataset)}`).join(", ")}.${rows.length < total ? ` The first ${g.formatCount(rows.length)} are listed here; the index in the run's folder has them all.` : ""}`;
    g.byId("rejects").replaceChildren(
      g.make("thead", {}, g.make("tr", {}, ...["dataset", "status", "image", "reason"].map((name) => g.make("th", { scope: "col" }, name)))),
      g.make("tbody", {}, ...rows.map(([dataset, uri, status, error]) => g.make("tr", {},
        g.make("td", {}, g.tag(dataset)), g.make("td", {}, status),
        g.make("td", { class: "file" }, g.make("bdi", {}, uri)), g.make("td", { class: "reason" }, error)))));
  };

  g.drawProvenance = () => {
    g.byId("provenance").replaceChildren(...g.data.provenance.filter(([, lines]) => lines.length).map(([title, lines]) => (
      g.make("section", {}, g.make("h3", {}, title), g.make("dl", {}, ...lines.flatMap(([label, text]) => [
        g.make("dt", {}, label.replaceAll("_", " ")), g.make("dd", {}, g.make("bdi", {}, text))]))))));
  };
})();
