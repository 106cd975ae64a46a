import type { Metadata } from "next";
import Link from "next/link";

import { Day } from "@/components/site/day";
import { PageHead } from "@/components/site/page-head";
import { documents } from "@/content/library";
import { product } from "@/product";

export const metadata: Metadata = {
  title: "Blog",
  description: `How ${product.name} is built, and why so.`,
  alternates: { canonical: "/blog" },
};

export default function BlogPage() {
  return (
    <>
      <PageHead title="Blog">How {product.name} is built, and why so.</PageHead>
      <ul className="mx-auto grid max-w-3xl gap-12 px-4 sm:px-6">
        {documents("blog").map(({ slug, title, summary, date, minutes }) => (
          <li key={slug} className="relative grid gap-2">
            <p className="text-sm text-muted">
              <Day date={date} /> · {minutes} min
            </p>
            <h2 className="text-2xl font-semibold tracking-tight">
              <Link href={`/blog/${slug}`} className="after:absolute after:inset-0 hover:underline">
                {title}
              </Link>
            </h2>
            <p className="text-lg text-muted">{summary}</p>
          </li>
        ))}
      </ul>
    </>
  );
}
