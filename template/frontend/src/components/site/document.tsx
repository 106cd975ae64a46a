import "@/styles/globals.css";

import type { ReactNode } from "react";

import { preloadFont } from "@/styles/font";
import { themeScript } from "@/theme/script.mjs";

/** The document around every public page. */
export function SiteDocument({ children }: { children: ReactNode }) {
  preloadFont();
  return (
    // The script sets an attribute that the server did not render.
    <html lang="en" suppressHydrationWarning>
      <head>
        <script>{themeScript}</script>
      </head>
      <body className="flex min-h-dvh flex-col">{children}</body>
    </html>
  );
}
