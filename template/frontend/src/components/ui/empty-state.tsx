import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

interface EmptyStateProps {
  Icon: LucideIcon;
  title: string;
  /** What would be here, and how it comes about. */
  children?: ReactNode;
  actions?: ReactNode;
}

export function EmptyState({ Icon, title, children, actions }: EmptyStateProps) {
  return (
    <div className="grid justify-items-center gap-3 px-6 py-16 text-center">
      <span className="grid size-12 place-items-center rounded-full bg-accent-soft text-accent-ink">
        <Icon aria-hidden className="size-5" />
      </span>
      <h3 className="font-semibold text-ink">{title}</h3>
      {children ? <div className="max-w-md text-sm text-muted">{children}</div> : null}
      {actions ? <div className="mt-2 flex flex-wrap justify-center gap-2">{actions}</div> : null}
    </div>
  );
}
