// The page: loads its data, follows the state, and draws the views.
import { effect } from "@preact/signals";
import type { JSX } from "preact";
import { render } from "preact";
import { facts, loadFacts } from "./data/facts.ts";
import { images, loadImages } from "./data/images.ts";
import { startFilters } from "./state/filters.ts";
import { startGrid } from "./state/grid.ts";
import { hasAddress, linkNotes, startLinks } from "./state/link.ts";
import * as state from "./state/state.ts";
import { isThemeChosen, showTheme, storeTheme, systemTheme } from "./theme.ts";
import { Columns } from "./views/Causes.tsx";
import { Classes } from "./views/Classes.tsx";
import { Clusters } from "./views/Clusters.tsx";
import { CopyLink } from "./views/CopyLink.tsx";
import { Files } from "./views/Files.tsx";
import { Filters } from "./views/Filters.tsx";
import { Grid } from "./views/Grid.tsx";
import { Lead } from "./views/Lead.tsx";
import { MapSection, renderer } from "./views/MapSection.tsx";
import { Numbers } from "./views/Numbers.tsx";
import { Objects } from "./views/Objects.tsx";
import { Side } from "./views/Side.tsx";
import { Switches } from "./views/Switches.tsx";
import { Definition } from "./views/Word.tsx";
import { Words } from "./views/Words.tsx";

const Top = (): JSX.Element => (
  <header class="top">
    <p class="brand">
      <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
        <path d="M12 3 3.5 20.5h17z" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" />
        <path d="M8.9 9.4h6.2M6.6 14.2h10.8" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2.2 1.6" />
      </svg>
      gapscope
    </p>
    <span class="buttons">
      {hasAddress ? <CopyLink /> : null}
      <button type="button" id="theme" class="plain" onClick={() => chooseTheme()}>
        {state.theme.value === "dark" ? "Light theme" : "Dark theme"}
      </button>
    </span>
  </header>);

const chooseTheme = (): void => {
  state.theme.value = state.theme.value === "dark" ? "light" : "dark";
  storeTheme(state.theme.value);
};

// What could not be shown, at the top of the page.
const Notices = (): JSX.Element => (
  <div id="notices" aria-live="polite">
    {state.failure.value === null ? null : <p role="alert">A part of this report cannot be shown: <bdi>{state.failure.value}</bdi></p>}
    {linkNotes.value.map((note) => <p key={note}><bdi>{note}</bdi></p>)}
  </div>);

const Page = (): JSX.Element => (
  <>
    <a class="skip" href="#grid">Skip to the images</a>
    <Top />
    <main>
      <Notices />
      <Lead />
      <Switches />
      <Filters />
      <div class="stage">
        <MapSection />
        <Side />
      </div>
      <Grid />
      {facts.classes === null ? null : <Classes />}
      <Columns />
      <Objects />
      <Clusters />
      <Numbers />
      <Files />
      <Words />
      <Definition />
    </main>
    <footer class="quiet"><p>Made by gapscope {facts.version}. This page loads nothing from the network.</p></footer>
  </>);

const datasetColors = (): void => {
  const colors = facts.palette[state.theme.value];
  facts.datasets.forEach((_, dataset) => {
    document.documentElement.style.setProperty(`--dataset-${dataset}`, colors[dataset % colors.length]);
  });
};

const title = (): string => {
  const names = facts.datasets.map(({ name }) => name);
  return `${names.length === 2 ? names.join(" vs ") : names.join(", ")} · gapscope`;
};

// The arrow keys change the level, unless they mean something where the focus is.
const OWN_ARROWS = "input:not([name=level]), select, textarea, .scroller, [role=slider], [role=grid], [role=listbox], [role=radiogroup], [role=tablist], [data-arrows]";
const changeLevel = (event: KeyboardEvent): void => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === "Escape" && !event.defaultPrevented && state.pinned.value !== null) state.pin(null);
  if (!step || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target instanceof Element && event.target.closest(OWN_ARROWS)) return;
  const next = state.levelNumber.value + step;
  event.preventDefault();
  if (next >= 0 && next < facts.levels.length) state.show({ level: next });
};

// The fragment of the address holds the state, so links within the page scroll by themselves.
const followLink = (event: MouseEvent): void => {
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>("a[href^='#']") : null;
  const target = link && document.getElementById(link.getAttribute("href")!.slice(1));
  if (!target) return;
  event.preventDefault();
  target.scrollIntoView({ block: "start" });
  target.focus({ preventScroll: true });
};

const start = async (): Promise<void> => {
  await loadFacts();
  await loadImages();
  effect(() => showTheme(state.theme.value));
  effect(datasetColors);
  systemTheme().addEventListener("change", ({ matches }) => {
    if (!isThemeChosen()) state.theme.value = matches ? "dark" : "light";
  });
  state.openState();
  startLinks();
  state.startState();
  startFilters();
  startGrid();
  document.title = title();
  document.addEventListener("keydown", changeLevel);
  document.addEventListener("click", followLink);
  // For those who look into the page from a console, and for its tests.
  Object.assign(window.gapscope, { facts, images, state, map: () => renderer.value });
  render(<Page />, document.getElementById("page")!);
};

start().catch((error: unknown) => {
  const notice = document.getElementById("page")!;
  notice.textContent = `This report cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
});
