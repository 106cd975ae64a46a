import type { Route } from "next";

interface PageLink {
  href: Route;
  label: string;
}

/**
 * The application. It is another document with another policy, so links to it load the page anew.
 */
export const application = "/app";

/** The pages that every public page leads to. */
export const mainPages: readonly PageLink[] = [
  { href: "/docs", label: "Docs" },
  { href: "/pricing", label: "Pricing" },
  { href: "/blog", label: "Blog" },
];

export const footerPages: Readonly<Record<string, readonly PageLink[]>> = {
  Product: [
    { href: "/pricing", label: "Pricing" },
    { href: "/docs", label: "Documentation" },
    { href: "/status", label: "Status" },
  ],
  Company: [
    { href: "/blog", label: "Blog" },
    { href: "/legal/privacy" as Route, label: "Privacy" },
    { href: "/legal/terms" as Route, label: "Terms" },
  ],
};
