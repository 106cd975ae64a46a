import type { ComponentProps, ReactNode } from "react";

import { classNames } from "@/class-names";

export function Card({ className, ...rest }: ComponentProps<"section">) {
  return (
    // Never as wide as what it holds would like: what is too wide scrolls or wraps inside.
    <section
      className={classNames("min-w-0 rounded-card border border-line bg-surface shadow-card", className)}
      {...rest}
    />
  );
}

interface CardHeaderProps {
  title: ReactNode;
  description?: ReactNode;
  /** Buttons and links that act on what the card shows. */
  actions?: ReactNode;
}

export function CardHeader({ title, description, actions }: CardHeaderProps) {
  return (
    <header className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3 border-b border-line px-5 py-4">
      <div className="grid gap-1">
        <h2 className="font-semibold text-ink">{title}</h2>
        {description ? <p className="text-sm text-muted">{description}</p> : null}
      </div>
      {actions ? <div className="flex flex-wrap gap-2">{actions}</div> : null}
    </header>
  );
}

export function CardBody({ className, ...rest }: ComponentProps<"div">) {
  return <div className={classNames("p-5", className)} {...rest} />;
}
