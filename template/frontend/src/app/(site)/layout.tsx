import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";

import { SiteDocument } from "@/components/site/document";
import { SiteFooter } from "@/components/site/footer";
import { SiteHeader } from "@/components/site/header";
import { product } from "@/product";
import { siteAddress } from "@/site/address";

export const metadata: Metadata = {
  metadataBase: siteAddress,
  title: { default: product.name, template: `%s · ${product.name}` },
  description: product.description,
  openGraph: { siteName: product.name, type: "website" },
  twitter: { card: "summary_large_image" },
  alternates: { types: { "application/rss+xml": "/feed.xml" } },
};

export const viewport: Viewport = { colorScheme: "light dark" };

/** The public pages: rendered before anyone asks, the same for every reader. */
export default function SiteLayout({ children }: { children: ReactNode }) {
  return (
    <SiteDocument>
      <a
        href="#content"
        className="sr-only z-50 rounded-control bg-accent px-4 py-2 text-on-accent focus:not-sr-only focus:absolute focus:m-3"
      >
        Skip to the content
      </a>
      <SiteHeader />
      <main id="content" className="grow">
        {children}
      </main>
      <SiteFooter />
    </SiteDocument>
  );
}
