import { documents } from "@/content/library";
import { product } from "@/product";
import { siteAddress } from "@/site/address";

export const dynamic = "force-static";

/** The blog as RSS. */
export function GET(): Response {
  const items = documents("blog").map(({ slug, title, summary, date }) => {
    const address = new URL(`/blog/${slug}`, siteAddress).href;
    return element(
      "item",
      element("title", escaped(title)) +
        element("link", address) +
        element("guid", address) +
        element("pubDate", new Date(date).toUTCString()) +
        element("description", escaped(summary)),
    );
  });
  const channel = element(
    "channel",
    element("title", escaped(product.name)) +
      element("link", siteAddress.href) +
      element("description", escaped(product.description)) +
      items.join(""),
  );
  return new Response(`<?xml version="1.0" encoding="UTF-8"?><rss version="2.0">${channel}</rss>`, {
    headers: { "content-type": "application/rss+xml; charset=utf-8" },
  });
}

function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
