// What to act on, in a line each, on the first screen: what to render more of, and whether it trains.
import type { JSX } from "preact";
import { facts } from "../data/facts.ts";
import { shorten } from "../format.ts";
import { show } from "../state/state.ts";

const LONGEST = 240;

interface LineProps {
  pair: number;
  about: string;
  text: string;
  target: string;
}

const Line = ({ pair, about, text, target }: LineProps): JSX.Element => (
  <p class="action"><a href={`#${target}`} onClick={() => show({ pair })}>{about}</a>: <bdi>{shorten(text, LONGEST)}</bdi></p>);

/** Nothing where a pair has neither. */
export const Actions = ({ pair }: { pair: number }): JSX.Element | null => {
  const [wanted, probes] = [facts.wantedSentences[pair], facts.probes[pair]];
  return (
    <>
      {wanted ? <Line pair={pair} about="Render more" text={wanted} target="wanted" /> : null}
      {probes && probes.level !== null ? <Line pair={pair} about="Does it train" text={`a linear probe, ${probes.sentence}`} target="classes" /> : null}
    </>);
};
