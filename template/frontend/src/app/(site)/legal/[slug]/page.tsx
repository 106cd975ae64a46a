import type { Metadata } from "next";
import { notFound } from "next/navigation";

import { Day } from "@/components/site/day";
import { Prose } from "@/components/site/prose";
import { Alert } from "@/components/ui/alert";
import { documents, find } from "@/content/library";

export const dynamicParams = false;

export function generateStaticParams() {
  return documents("legal").map(({ slug }) => ({ slug }));
}

export async function generateMetadata({ params }: PageProps<"/legal/[slug]">): Promise<Metadata> {
  const { slug } = await params;
  const document = find("legal", slug);
  return document
    ? {
        // Where a search engine shows it, a draft says so as well.
        title: document.reviewed ? document.title : `${document.title} (draft)`,
        description: document.summary,
        alternates: { canonical: `/legal/${slug}` },
      }
    : {};
}

export default async function LegalPage({ params }: PageProps<"/legal/[slug]">) {
  const { slug } = await params;
  const document = find("legal", slug) ?? notFound();
  return (
    <article className="mx-auto grid max-w-[44rem] grid-cols-1 gap-8 px-4 pt-16 sm:px-6 sm:pt-24">
      <div className="grid gap-3">
        <h1 className="text-4xl font-semibold tracking-tight">{document.title}</h1>
        <p className="text-muted">
          {document.reviewed ? "In force since" : "Draft of"} <Day date={document.date} />
        </p>
      </div>
      {document.reviewed ? null : (
        <Alert tone="warning" title="A draft">
          This text describes how the software works. It becomes binding once the operator of this site has
          had it checked and completed.
        </Alert>
      )}
      <Prose text={document.text} />
    </article>
  );
}
