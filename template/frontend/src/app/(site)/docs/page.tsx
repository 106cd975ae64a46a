import type { Metadata } from "next";
import Link from "next/link";

import { PageHead } from "@/components/site/page-head";
import { documents } from "@/content/library";
import { product } from "@/product";

export const metadata: Metadata = {
  title: "Documentation",
  description: `How to use ${product.name}, and how it works.`,
  alternates: { canonical: "/docs" },
};

export default function DocsPage() {
  return (
    <>
      <PageHead title="Documentation">
        How to use {product.name}, and how it works. Each page stands on its own.
      </PageHead>
      <ul className="mx-auto grid max-w-5xl gap-5 px-4 sm:grid-cols-2 sm:px-6">
        {documents("docs").map(({ slug, title, summary }) => (
          <li
            key={slug}
            className="relative grid content-start gap-2 rounded-card border border-line bg-surface p-6 shadow-card transition-colors hover:border-accent"
          >
            <h2 className="text-lg font-semibold tracking-tight">
              <Link href={`/docs/${slug}`} className="after:absolute after:inset-0">
                {title}
              </Link>
            </h2>
            <p className="text-muted">{summary}</p>
          </li>
        ))}
      </ul>
    </>
  );
}
