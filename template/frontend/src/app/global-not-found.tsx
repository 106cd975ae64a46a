import type { Metadata } from "next";

import { SiteDocument } from "@/components/site/document";
import { SiteFooter } from "@/components/site/footer";
import { SiteHeader } from "@/components/site/header";
import { NothingHere } from "@/components/site/nothing-here";
import { product } from "@/product";

export const metadata: Metadata = { title: `There is nothing here · ${product.name}` };

/** At an address that neither the public pages nor the application have. */
export default function GlobalNotFound() {
  return (
    <SiteDocument>
      <SiteHeader />
      <main className="grow">
        <NothingHere />
      </main>
      <SiteFooter />
    </SiteDocument>
  );
}
