import path from "node:path";

import type { NextConfig } from "next";

import { fixedHeaders } from "./src/security/headers";

/** Where the API answers: what the browser asks under /api is passed on to it. */
const api = process.env.API_URL ?? "http://127.0.0.1:8000";

const config: NextConfig = {
  output: "standalone",
  poweredByHeader: false,
  reactStrictMode: true,
  typedRoutes: true,
  experimental: {
    // Cached pages name their scripts by hash; these are the hashes of those that are files.
    sri: { algorithm: "sha256" },
    // With two root layouts, neither is the one of an address that no page has.
    globalNotFound: true,
  },
  cacheHandler: path.resolve("src/security/cache-handler.mjs"),
  headers: () => [{ source: "/:path*", headers: fixedHeaders }],
  // In production a proxy in front of both does this (deploy/nginx). The WebSocket goes the same way.
  rewrites: () => [{ source: "/api/v1/:path*", destination: `${api}/api/v1/:path*` }],
};

export default config;
