"use strict";
// The selection: single images, those in a rectangle of the map, a cluster or an outlier list; saved as a CSV file.
(() => {
  const g = gapscope;

  // Quoted as in RFC 4180, since a name may contain commas, quotes and line breaks.
  const csvField = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const toCsv = (images) => [["dataset", "row", "uri"], ...images.map((image) => [
    g.datasetName(g.image.dataset[image]), String(g.image.row[image]), g.image.uri(image)])]
    .map((fields) => `${fields.map(csvField).join(",")}\r\n`).join("");

  g.drawSelection = (state) => {
    const counts = g.data.datasets.map(() => 0);
    state.selected.forEach((image) => { counts[g.image.dataset[image]] += 1; });
    g.byId("selection").hidden = !state.selected.size;
    g.byId("selected").replaceChildren(g.make("strong", {}, `${g.formatImages(state.selected.size)} selected`), " ",
      ...counts.flatMap((count, dataset) => (count ? [g.tag(dataset), ` ${g.formatCount(count)} `] : [])));
  };

  const save = (state) => {
    const images = [...state.selected].sort((a, b) => a - b);
    const url = URL.createObjectURL(new Blob([toCsv(images)], { type: "text/csv" }));
    g.make("a", { href: url, download: "gapscope-selection.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };

  g.startSelection = (state, imagesIn, listedImages) => {
    const [button, area, box] = ["select-area", "area", "area-box"].map(g.byId);
    g.select = (images, action) => {
      const selected = new Set(state.selected);
      for (const image of images) {
        if (action === "remove") selected.delete(image);
        else selected.add(image);
      }
      g.update({ selected });
    };
    let corner = null; // where the rectangle begins; null while none is drawn
    const setDrawing = (active) => {
      area.hidden = !active;
      box.hidden = true;
      corner = null;
      button.setAttribute("aria-pressed", String(active));
    };
    const rectangle = (event) => ({
      left: Math.min(corner.x, event.clientX), right: Math.max(corner.x, event.clientX),
      top: Math.min(corner.y, event.clientY), bottom: Math.max(corner.y, event.clientY),
    });
    area.addEventListener("pointerdown", (event) => {
      corner = { x: event.clientX, y: event.clientY };
      area.setPointerCapture(event.pointerId);
    });
    area.addEventListener("pointermove", (event) => {
      if (corner === null) return;
      const { left, right, top, bottom } = rectangle(event);
      const areaBox = area.getBoundingClientRect();
      Object.assign(box.style, {
        left: `${left - areaBox.left}px`, top: `${top - areaBox.top}px`, width: `${right - left}px`, height: `${bottom - top}px`,
      });
      box.hidden = false;
    });
    area.addEventListener("pointerup", (event) => {
      if (corner === null) return;
      const images = imagesIn(rectangle(event));
      setDrawing(false);
      if (images.length) g.select(images, event.altKey ? "remove" : "add");
    });
    button.addEventListener("click", () => setDrawing(area.hidden));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || area.hidden) return;
      event.preventDefault();
      setDrawing(false);
    }, true);
    g.byId("save-selection").addEventListener("click", () => save(state));
    g.byId("clear-selection").addEventListener("click", () => {
      g.update({ selected: new Set() });
      button.focus();
    });
    g.byId("select-list").addEventListener("click", () => g.select(listedImages(), "add"));
  };
})();
