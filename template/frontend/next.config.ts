import path from "node:path";

import type { NextConfig } from "next";

import { fixedHeaders } from "./src/security/headers";

const config: NextConfig = {
  output: "standalone",
  poweredByHeader: false,
  reactStrictMode: true,
  typedRoutes: true,
  // The same machine by its number: tests and tunnels ask for it so.
  allowedDevOrigins: ["127.0.0.1"],
  experimental: {
    // Cached pages name their scripts by hash; these are the hashes of those that are files.
    sri: { algorithm: "sha256" },
    // With two root layouts, neither is the one of an address that no page has.
    globalNotFound: true,
  },
  cacheHandler: path.resolve("src/security/cache-handler.mjs"),
  headers: () => [{ source: "/:path*", headers: fixedHeaders }],
};

export default config;
