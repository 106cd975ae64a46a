import "@/styles/globals.css";

import type { Metadata, Viewport } from "next";
import { cookies, headers } from "next/headers";
import type { ReactNode } from "react";

import { product } from "@/product";
import { session } from "@/session";
import { preloadFont } from "@/styles/font";
import { THEME_COOKIE, themeAttribute, themeFrom } from "@/theme/theme";

export const metadata: Metadata = {
  title: { default: product.name, template: `%s · ${product.name}` },
  robots: { index: false, follow: false },
};

export const viewport: Viewport = { colorScheme: "light dark" };

/** The product: rendered for each request, because it shows what one person may see. */
export default async function AppLayout({ children }: { children: ReactNode }) {
  preloadFont();
  const theme = themeFrom((await cookies()).get(THEME_COOKIE)?.value);
  const policy = (await headers()).get("content-security-policy") ?? "";
  const nonce = /'nonce-([^']+)'/.exec(policy)?.[1];
  return (
    <html lang="en" data-theme={themeAttribute(theme)}>
      <body>
        <session.Shell nonce={nonce}>{children}</session.Shell>
      </body>
    </html>
  );
}
