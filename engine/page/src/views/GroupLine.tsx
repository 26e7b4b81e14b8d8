// Which group an image belongs to, such as a clip.
import type { JSX } from "preact";
import { groupName, groupOf, images, rowUnits, unit } from "../data/images.ts";
import { formatCount } from "../format.ts";

/** Says the group of an image that is one of several; nothing for others. */
export const GroupLine = ({ image }: { image: number }): JSX.Element | null => {
  const group = groupOf(image);
  if (group === null || group.images < 2) return null;
  const dataset = images.dataset[image];
  return (
    <p class="quiet" title={group.name}>
      One of {formatCount(group.images)} {rowUnits(dataset)} of the {unit(dataset, 1)} <bdi>{groupName(group)}</bdi>
    </p>);
};
