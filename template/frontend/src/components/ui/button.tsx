import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps, MouseEvent } from "react";

import { classNames } from "@/class-names";

/** The look of a button, for links that lead to what a button would do. */
export const buttonLook = cva(
  [
    "inline-flex items-center justify-center gap-2 rounded-control font-medium whitespace-nowrap",
    "transition-colors disabled:cursor-not-allowed disabled:opacity-55",
    "aria-busy:cursor-progress aria-busy:opacity-55",
    "[&_svg]:size-4 [&_svg]:shrink-0",
  ],
  {
    variants: {
      variant: {
        primary: "bg-accent text-on-accent not-disabled:hover:bg-accent-hover",
        secondary: "border border-line bg-surface text-ink not-disabled:hover:bg-hover",
        quiet: "text-muted not-disabled:hover:bg-hover not-disabled:hover:text-ink",
        danger: "bg-danger text-on-danger not-disabled:hover:bg-danger-hover",
      },
      size: {
        small: "h-8 px-3 text-sm",
        medium: "h-10 px-4 text-sm",
        large: "h-12 px-6 text-base",
        icon: "size-9",
      },
    },
    defaultVariants: { variant: "primary", size: "medium" },
  },
);

type ButtonProps = ComponentProps<"button"> &
  VariantProps<typeof buttonLook> & {
    /** Its work is under way: it says so, keeps the focus, and pressing it again does nothing. */
    busy?: boolean;
  };

export function Button({
  variant,
  size,
  busy = false,
  type = "button",
  className,
  onClick,
  ...rest
}: ButtonProps) {
  return (
    <button
      type={type}
      aria-busy={busy || undefined}
      // A disabled button would lose the focus, and whoever uses a keyboard their place.
      aria-disabled={busy || undefined}
      onClick={busy ? refuse : onClick}
      className={classNames(buttonLook({ variant, size }), className)}
      {...rest}
    />
  );
}

function refuse(event: MouseEvent) {
  event.preventDefault();
}
