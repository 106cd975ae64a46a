/** Where the public pages are, for links that leave them: in previews, feeds and the sitemap. */
export const siteAddress = new URL(process.env.SITE_URL ?? "http://localhost:3000");
