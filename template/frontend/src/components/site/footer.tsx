import Link from "next/link";

import { product } from "@/product";
import { footerPages } from "@/site/pages";
import { ThemeChoice } from "@/theme/theme-choice";

import { Mark } from "./mark";

export function SiteFooter() {
  return (
    <footer className="mt-24 border-t border-line">
      <div className="mx-auto grid max-w-6xl gap-10 px-4 py-12 sm:grid-cols-[1.6fr_1fr_1fr] sm:px-6">
        <div className="grid content-start gap-4">
          <p className="flex items-center gap-2.5 font-semibold tracking-tight">
            <Mark />
            {product.name}
          </p>
          <p className="max-w-sm text-sm text-muted">{product.description}</p>
          <ThemeChoice />
        </div>
        {Object.entries(footerPages).map(([group, pages]) => (
          <nav key={group} aria-label={group} className="grid content-start gap-2 text-sm">
            <h2 className="font-medium">{group}</h2>
            {pages.map(({ href, label }) => (
              <Link key={href} href={href} className="w-fit py-0.5 text-muted hover:text-ink hover:underline">
                {label}
              </Link>
            ))}
          </nav>
        ))}
      </div>
    </footer>
  );
}
