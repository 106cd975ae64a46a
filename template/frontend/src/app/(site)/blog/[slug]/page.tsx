import type { Metadata } from "next";
import { notFound } from "next/navigation";

import { Day } from "@/components/site/day";
import { Prose } from "@/components/site/prose";
import { documents, find } from "@/content/library";

export const dynamicParams = false;

export function generateStaticParams() {
  return documents("blog").map(({ slug }) => ({ slug }));
}

export async function generateMetadata({ params }: PageProps<"/blog/[slug]">): Promise<Metadata> {
  const { slug } = await params;
  const post = find("blog", slug);
  return post
    ? {
        title: post.title,
        description: post.summary,
        alternates: { canonical: `/blog/${slug}` },
        openGraph: { type: "article", publishedTime: post.date, authors: [post.author] },
      }
    : {};
}

export default async function PostPage({ params }: PageProps<"/blog/[slug]">) {
  const { slug } = await params;
  const post = find("blog", slug) ?? notFound();
  return (
    <article className="mx-auto max-w-[44rem] px-4 pt-16 sm:px-6 sm:pt-24">
      <p className="pb-4 text-sm text-muted">
        <Day date={post.date} /> · {post.author} · {post.minutes} min
      </p>
      <h1 className="pb-5 text-4xl font-semibold tracking-tight sm:text-5xl">{post.title}</h1>
      <p className="pb-12 text-xl text-muted">{post.summary}</p>
      <Prose text={post.text} />
    </article>
  );
}
