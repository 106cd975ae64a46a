import type { MetadataRoute } from "next";

import { siteAddress } from "@/site/address";

export default function robots(): MetadataRoute.Robots {
  return {
    rules: { userAgent: "*", allow: "/", disallow: ["/app", "/api/", "/session/", "/sign-in"] },
    sitemap: new URL("/sitemap.xml", siteAddress).href,
  };
}
