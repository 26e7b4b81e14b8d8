// Which way round the shown pair is read.
import type { JSX } from "preact";
import { datasetName, facts } from "../data/facts.ts";
import { show } from "../state/state.ts";
import { Tag } from "./Picture.tsx";

interface DirectionsProps {
  /** Tells the control from others of its kind. */
  name: string;
  /** The pairs to choose from. */
  ways: readonly number[];
  shown: number;
}

/** A choice among the ways round of a pair; nothing where there is no choice. */
export const Directions = ({ name, ways, shown }: DirectionsProps): JSX.Element | null => {
  if (ways.length < 2) return null;
  return (
    <fieldset class="directions">
      <legend class="visually-hidden">Which dataset is looked at, against which</legend>
      {ways.map((own) => {
        const [query, reference] = facts.pairs[own];
        return (
          <label key={own}>
            <input type="radio" name={`direction-${name}`} checked={own === shown} onChange={() => show({ pair: own })} />
            <Tag dataset={query} /> <span class="quiet">against <bdi>{datasetName(reference)}</bdi></span>
          </label>);
      })}
    </fieldset>);
};
