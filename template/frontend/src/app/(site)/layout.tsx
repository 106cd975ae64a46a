import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";

import { SiteDocument } from "@/components/site/document";
import { product } from "@/product";

export const metadata: Metadata = {
  title: { default: product.name, template: `%s · ${product.name}` },
  description: product.description,
};

export const viewport: Viewport = { colorScheme: "light dark" };

/** The public pages: rendered before anyone asks, the same for every reader. */
export default function SiteLayout({ children }: { children: ReactNode }) {
  return <SiteDocument>{children}</SiteDocument>;
}
