// Clusters that are almost entirely of one dataset.
import type { JSX } from "preact";
import { facts } from "../data/facts.ts";
import { images } from "../data/images.ts";
import type { Level } from "../data/levels.ts";
import { clusterImages } from "../data/levels.ts";
import { formatCount, formatImages, formatPercent } from "../format.ts";
import { level, levelNumber, selectCluster, selection } from "../state/state.ts";
import { PinButton } from "./PinButton.tsx";
import { Tag } from "./Picture.tsx";
import { Word } from "./Word.tsx";

const MAX_EXAMPLES = 6;

type OneSided = (typeof facts.clusters)[number]["oneSided"][number];

const ClusterCard = ({ shown, cluster: [cluster, count, dataset, share, typical] }: { shown: Level; cluster: OneSided }): JSX.Element => {
  const onPage = clusterImages(shown, cluster);
  const others = onPage.filter((image) => images.dataset[image] === dataset && !typical.includes(image));
  const examples = [...typical, ...others].slice(0, MAX_EXAMPLES);
  const chosen = selection.value.cluster;
  const isSelected = chosen?.level === shown.number && chosen.cluster === cluster;
  return (
    <li class="cluster" data-cluster={cluster}>
      <div class="strip" role="group" aria-label={`Images of cluster ${cluster}`}>
        {examples.map((image) => <PinButton key={image} image={image} box={64} />)}
      </div>
      <div class="cluster-head">
        <p>
          <strong>Cluster {cluster}</strong> · {formatImages(count)} · {formatPercent(share)} <Tag dataset={dataset} />
        </p>
        <button type="button" class="plain" aria-pressed={isSelected} disabled={!onPage.length} onClick={() => selectCluster(cluster)}>
          {isSelected ? "Selected" : "Select"}
          <span class="visually-hidden"> cluster {cluster},</span> {onPage.length === count ? formatCount(count) : `${formatCount(onPage.length)} on this page`}
        </button>
      </div>
    </li>);
};

export const Clusters = (): JSX.Element => {
  const shown = level.value;
  const number = shown?.number ?? levelNumber.value;
  const { count, oneSided } = facts.clusters[number];
  return (
    <section aria-labelledby="clusters-title">
      <h2 id="clusters-title">Clusters of one dataset at {facts.levels[number].name}</h2>
      <p id="clusters-note" class="quiet">
        {count === 0 ? <>No <Word id="cluster">clusters</Word> were found at this level.</> : (
          <>
            {oneSided.length ? formatCount(oneSided.length) : "None"} of {formatCount(count)} <Word id="cluster">clusters</Word>{" "}
            {oneSided.length === 1 ? "belongs" : "belong"} almost entirely to one dataset.
          </>)}
      </p>
      {oneSided.length && shown ? (
        <ul id="clusters">{oneSided.map((cluster) => <ClusterCard key={cluster[0]} shown={shown} cluster={cluster} />)}</ul>) : null}
    </section>);
};
