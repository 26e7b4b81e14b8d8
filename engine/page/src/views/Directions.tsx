// Which way round the shown pair is read.
import type { JSX } from "preact";
import { bothWays, datasetName, facts } from "../data/facts.ts";
import { pair, show } from "../state/state.ts";
import { Tag } from "./Picture.tsx";

/** Both ways round of the shown pair; `name` tells the control from others of its kind. */
export const Directions = ({ name }: { name: string }): JSX.Element => (
  <fieldset class="directions">
    <legend class="visually-hidden">Which dataset is looked at, against which</legend>
    {bothWays(pair.value).map((own) => {
      const [query, reference] = facts.pairs[own];
      return (
        <label key={own}>
          <input type="radio" name={`direction-${name}`} checked={own === pair.value} onChange={() => show({ pair: own })} />
          <Tag dataset={query} /> <span class="quiet">against <bdi>{datasetName(reference)}</bdi></span>
        </label>);
    })}
  </fieldset>);
