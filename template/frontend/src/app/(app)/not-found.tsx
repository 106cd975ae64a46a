import Link from "next/link";

import { buttonLook } from "@/components/ui/button";

export default function NotFound() {
  return (
    <main className="mx-auto grid max-w-xl justify-items-start gap-4 px-6 py-24">
      <h1 className="text-3xl font-semibold tracking-tight">There is nothing here</h1>
      <p className="text-muted">The address is wrong, or what it showed was removed.</p>
      <Link href="/app" className={buttonLook()}>
        Back to the start
      </Link>
    </main>
  );
}
