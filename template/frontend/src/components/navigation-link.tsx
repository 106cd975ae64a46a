"use client";

import type { Route } from "next";
import Link from "next/link";
import { usePathname } from "next/navigation";
import type { ReactNode } from "react";

import { classNames } from "@/class-names";

/** A link that knows whether its page is the one that is shown. */
export function NavigationLink({ href, children }: { href: Route; children: ReactNode }) {
  const path = usePathname();
  const current = href === "/app" ? path === href : path.startsWith(href);
  return (
    <Link
      href={href}
      aria-current={current ? "page" : undefined}
      className={classNames(
        "flex items-center gap-2.5 rounded-control px-3 py-2 text-sm font-medium whitespace-nowrap text-muted hover:bg-hover hover:text-ink [&_svg]:size-4",
        current && "bg-hover text-ink",
      )}
    >
      {children}
    </Link>
  );
}
