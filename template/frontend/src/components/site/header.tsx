import Link from "next/link";

import { buttonLook } from "@/components/ui/button";
import { product } from "@/product";
import { application, mainPages } from "@/site/pages";

import { Mark } from "./mark";

export function SiteHeader() {
  return (
    <header className="sticky top-0 z-40 border-b border-line bg-page/85 backdrop-blur">
      <div className="mx-auto flex h-16 max-w-6xl items-center gap-3 px-4 sm:gap-8 sm:px-6">
        <Link href="/" className="flex shrink-0 items-center gap-2.5 font-semibold tracking-tight">
          <Mark />
          <span className="max-sm:sr-only">{product.name}</span>
        </Link>
        <nav aria-label="Main" className="flex grow gap-0.5 text-sm sm:gap-1">
          {mainPages.map(({ href, label }) => (
            <Link
              key={href}
              href={href}
              className="rounded-control px-2 py-1.5 text-muted hover:bg-hover hover:text-ink sm:px-3"
            >
              {label}
            </Link>
          ))}
        </nav>
        <a href={application} className={buttonLook({ size: "small" })}>
          Sign in
        </a>
      </div>
    </header>
  );
}
