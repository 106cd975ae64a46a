import type { ComponentProps } from "react";

import { classNames } from "@/class-names";

/** What everything that one types into looks like. */
export const inputLook = [
  "w-full rounded-control border border-field bg-surface px-3 text-sm text-ink",
  "placeholder:text-faint disabled:cursor-not-allowed disabled:bg-sunken disabled:text-faint",
  "aria-invalid:border-danger focus-visible:outline-offset-0",
].join(" ");

export function Input({ className, type = "text", ...rest }: ComponentProps<"input">) {
  // Text runs as its first letter does: an Arabic name begins at the right.
  return <input type={type} dir="auto" className={classNames(inputLook, "h-10", className)} {...rest} />;
}

export function TextArea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea className={classNames(inputLook, "min-h-24 py-2", className)} {...rest} />;
}
