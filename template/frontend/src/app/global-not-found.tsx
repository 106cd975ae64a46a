import type { Metadata } from "next";
import Link from "next/link";

import { SiteDocument } from "@/components/site/document";
import { SiteFooter } from "@/components/site/footer";
import { SiteHeader } from "@/components/site/header";
import { buttonLook } from "@/components/ui/button";
import { product } from "@/product";

export const metadata: Metadata = { title: `There is nothing here · ${product.name}` };

export default function NotFound() {
  return (
    <SiteDocument>
      <SiteHeader />
      <main className="mx-auto grid max-w-xl grow content-center justify-items-start gap-4 px-6 py-24">
        <p className="text-sm font-medium text-accent">404</p>
        <h1 className="text-4xl font-semibold tracking-tight">There is nothing here</h1>
        <p className="text-muted">The address is wrong, or what it showed was removed.</p>
        <Link href="/" className={buttonLook()}>
          To the start page
        </Link>
      </main>
      <SiteFooter />
    </SiteDocument>
  );
}
