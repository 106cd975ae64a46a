import { ChevronDown } from "lucide-react";
import type { ComponentProps } from "react";

import { classNames } from "@/class-names";

import { inputLook } from "./input";

/** The browser's own select: every keyboard, screen reader and phone knows it. */
export function Select({ className, children, ...rest }: ComponentProps<"select">) {
  return (
    <span className="relative block">
      <select className={classNames(inputLook, "h-10 appearance-none pr-9", className)} {...rest}>
        {children}
      </select>
      <ChevronDown
        aria-hidden
        className="pointer-events-none absolute top-1/2 right-3 size-4 -translate-y-1/2 text-faint"
      />
    </span>
  );
}
