import type { ComponentProps } from "react";

import { classNames } from "@/class-names";

/**
 * A table that scrolls sideways inside its own box where the page is too narrow.
 *
 * The box takes focus so that a keyboard can scroll it, and is named for that.
 */
export function Table({ label, className, ...rest }: ComponentProps<"table"> & { label: string }) {
  return (
    // Relative, or what only a screen reader reads would stick out of the box, and widen the page.
    <div role="region" aria-label={label} tabIndex={0} className="relative overflow-x-auto">
      <table
        aria-label={label}
        className={classNames("w-full border-collapse text-left text-sm tabular-nums", className)}
        {...rest}
      />
    </div>
  );
}

export function TableHead(props: ComponentProps<"thead">) {
  return <thead {...props} />;
}

export function TableBody({ className, ...rest }: ComponentProps<"tbody">) {
  return (
    <tbody className={classNames("divide-y divide-line [&>tr:hover]:bg-hover/60", className)} {...rest} />
  );
}

export function TableRow(props: ComponentProps<"tr">) {
  return <tr {...props} />;
}

export function HeaderCell({ className, scope = "col", ...rest }: ComponentProps<"th">) {
  return (
    <th
      scope={scope}
      className={classNames(
        "border-b border-line px-5 py-2.5 text-xs font-medium whitespace-nowrap text-muted",
        className,
      )}
      {...rest}
    />
  );
}

export function Cell({ className, ...rest }: ComponentProps<"td">) {
  return <td className={classNames("px-5 py-3 align-middle text-ink", className)} {...rest} />;
}
