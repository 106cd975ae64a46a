import Link from "next/link";

import { buttonLook } from "@/components/ui/button";

/** What stands where a page would be, at an address that has none. */
export function NothingHere() {
  return (
    <div className="mx-auto grid max-w-xl grow content-center justify-items-start gap-4 px-6 py-24">
      <p className="text-sm font-medium text-accent-ink">404</p>
      <h1 className="text-4xl font-semibold tracking-tight">There is nothing here</h1>
      <p className="text-muted">The address is wrong, or what it showed was removed.</p>
      <Link href="/" className={buttonLook()}>
        To the start page
      </Link>
    </div>
  );
}
