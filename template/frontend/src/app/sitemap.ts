import type { MetadataRoute } from "next";

import { documents } from "@/content/library";
import { siteAddress } from "@/site/address";

/** Every public page: the tests take their list from here. */
export default function sitemap(): MetadataRoute.Sitemap {
  const pages = [
    "/",
    "/pricing",
    "/docs",
    ...documents("docs").map(({ slug }) => `/docs/${slug}`),
    "/blog",
    ...documents("blog").map(({ slug }) => `/blog/${slug}`),
    ...documents("legal").map(({ slug }) => `/legal/${slug}`),
    "/status",
  ];
  return pages.map((page) => ({ url: new URL(page, siteAddress).href }));
}
