import type { Organizations } from "./organizations";

/** There are no organizations: everybody works for themselves. */
export const organizations: Organizations = {
  needed: false,
  screens: [],
  Switcher: () => null,
  start: () => Promise.resolve(null),
};
