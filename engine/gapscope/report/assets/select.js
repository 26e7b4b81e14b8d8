"use strict";
// The selection: images picked one by one, by a rectangle on the map, by cluster or from a list, and saved as a list.
(() => {
  const g = gapscope;

  // As RFC 4180 has it, so that a name may hold commas, quotes and line ends.
  const field = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const table = (images) => [["dataset", "row", "uri"], ...images.map((image) => [
    g.name(g.image.dataset[image]), String(g.image.row[image]), g.image.uri(image)])]
    .map((fields) => `${fields.map(field).join(",")}\r\n`).join("");

  g.drawSelection = (state) => {
    const counts = g.facts.datasets.map(() => 0);
    state.selected.forEach((image) => { counts[g.image.dataset[image]] += 1; });
    g.byId("selection").hidden = !state.selected.size;
    g.byId("selected").replaceChildren(g.make("strong", {}, `${g.images(state.selected.size)} selected`), " ",
      ...counts.flatMap((count, dataset) => (count ? [g.tag(dataset), ` ${g.count(count)} `] : [])));
  };

  const save = (state) => {
    const images = [...state.selected].sort((a, b) => a - b);
    const url = URL.createObjectURL(new Blob([table(images)], { type: "text/csv" }));
    g.make("a", { href: url, download: "gapscope-selection.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };

  g.startSelecting = (state, within, listed) => {
    const [button, area, box] = ["select-area", "area", "area-box"].map(g.byId);
    g.select = (images, how) => {
      const selected = new Set(state.selected);
      for (const image of images) {
        if (how === "remove") selected.delete(image);
        else selected.add(image);
      }
      g.update({ selected });
    };
    const choosing = (on) => {
      area.hidden = !on;
      box.hidden = true;
      from = null;
      button.setAttribute("aria-pressed", String(on));
    };
    let from = null;
    const rectangle = (event) => ({
      left: Math.min(from.x, event.clientX), right: Math.max(from.x, event.clientX),
      top: Math.min(from.y, event.clientY), bottom: Math.max(from.y, event.clientY),
    });
    area.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY };
      area.setPointerCapture(event.pointerId);
    });
    area.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const { left, right, top, bottom } = rectangle(event);
      const corner = area.getBoundingClientRect();
      Object.assign(box.style, {
        left: `${left - corner.left}px`, top: `${top - corner.top}px`, width: `${right - left}px`, height: `${bottom - top}px`,
      });
      box.hidden = false;
    });
    area.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const images = within(rectangle(event));
      choosing(false);
      if (images.length) g.select(images, event.altKey ? "remove" : "add");
    });
    button.addEventListener("click", () => choosing(area.hidden));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || area.hidden) return;
      event.preventDefault();
      choosing(false);
    }, true);
    g.byId("save-selection").addEventListener("click", () => save(state));
    g.byId("clear-selection").addEventListener("click", () => {
      g.update({ selected: new Set() });
      button.focus();
    });
    g.byId("select-list").addEventListener("click", () => g.select(listed(), "add"));
  };
})();
