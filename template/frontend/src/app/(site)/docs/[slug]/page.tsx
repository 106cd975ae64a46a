import type { Metadata } from "next";
import Link from "next/link";
import { notFound } from "next/navigation";

import { classNames } from "@/class-names";
import { Prose } from "@/components/site/prose";
import { documents, find } from "@/content/library";

export const dynamicParams = false;

export function generateStaticParams() {
  return documents("docs").map(({ slug }) => ({ slug }));
}

export async function generateMetadata({ params }: PageProps<"/docs/[slug]">): Promise<Metadata> {
  const { slug } = await params;
  const document = find("docs", slug);
  return document
    ? {
        title: document.title,
        description: document.summary,
        alternates: { canonical: `/docs/${slug}` },
      }
    : {};
}

export default async function DocPage({ params }: PageProps<"/docs/[slug]">) {
  const { slug } = await params;
  const document = find("docs", slug) ?? notFound();
  return (
    <div className="mx-auto grid max-w-6xl grid-cols-1 gap-10 px-4 pt-12 sm:px-6 lg:grid-cols-[13rem_minmax(0,1fr)] xl:grid-cols-[13rem_minmax(0,1fr)_12rem]">
      <nav aria-label="Documentation" className="top-24 grid content-start gap-0.5 self-start text-sm lg:sticky">
        {documents("docs").map((page) => (
          <Link
            key={page.slug}
            href={`/docs/${page.slug}`}
            aria-current={page.slug === slug ? "page" : undefined}
            className={classNames(
              "rounded-control px-3 py-1.5 text-muted hover:bg-hover hover:text-ink",
              page.slug === slug && "bg-accent-soft font-medium text-accent-ink",
            )}
          >
            {page.title}
          </Link>
        ))}
      </nav>
      <article>
        <h1 className="pb-3 text-3xl font-semibold tracking-tight sm:text-4xl">{document.title}</h1>
        <p className="max-w-[60ch] pb-10 text-lg text-muted">{document.summary}</p>
        <Prose text={document.text} />
      </article>
      <nav
        aria-label="On this page"
        className="sticky top-24 hidden content-start gap-2 self-start border-l border-line pl-5 text-sm xl:grid"
      >
        <p className="font-medium">On this page</p>
        {document.headings.map(({ id, text }) => (
          <a key={id} href={`#${id}`} className="text-muted hover:text-ink">
            {text}
          </a>
        ))}
      </nav>
    </div>
  );
}
