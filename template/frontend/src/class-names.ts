import { twMerge } from "tailwind-merge";

/** Class names joined; where two say the same thing differently, the later one holds. */
export function classNames(...names: readonly (string | false | null | undefined)[]): string {
  return twMerge(names);
}
