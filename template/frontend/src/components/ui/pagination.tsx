import { ChevronLeft, ChevronRight } from "lucide-react";
import type { Route } from "next";
import Link from "next/link";

import { buttonLook } from "./button";

interface PaginationProps {
  label: string;
  /** The first page's address, when this is not it. */
  first: Route | null;
  /** The next page's address, unless this is the last. */
  next: Route | null;
}

/** Keyset paging: there is a beginning and a next page, and no page numbers to count up to. */
export function Pagination({ label, first, next }: PaginationProps) {
  if (!first && !next) return null;
  return (
    <nav aria-label={label} className="flex justify-between gap-2 border-t border-line px-5 py-3">
      {first ? (
        <Link href={first} className={buttonLook({ variant: "secondary", size: "small" })}>
          <ChevronLeft aria-hidden />
          Back to the first
        </Link>
      ) : (
        <span />
      )}
      {next ? (
        <Link href={next} rel="next" className={buttonLook({ variant: "secondary", size: "small" })}>
          Next
          <ChevronRight aria-hidden />
        </Link>
      ) : null}
    </nav>
  );
}
