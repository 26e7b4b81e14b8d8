// Whether the user's system asks for little motion.

export const isMotionReduced = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** How to scroll: at once where little motion is wanted. */
export const scrollBehavior = (): ScrollBehavior => (isMotionReduced() ? "auto" : "smooth");
