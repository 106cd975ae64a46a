import type { MetadataRoute } from "next";

import { documents } from "@/content/library";
import { siteAddress } from "@/site/address";

export default function sitemap(): MetadataRoute.Sitemap {
  const pages = [
    "/",
    "/pricing",
    "/docs",
    ...documents("docs").map(({ slug }) => `/docs/${slug}`),
    "/blog",
    ...documents("blog").map(({ slug }) => `/blog/${slug}`),
  ];
  return pages.map((page) => ({ url: new URL(page, siteAddress).href }));
}
