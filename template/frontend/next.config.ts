import type { NextConfig } from "next";

import { fixedHeaders } from "./src/security/headers";

/** Where the API answers: what the browser asks under /api is passed on to it. */
const api = process.env.API_URL ?? "http://127.0.0.1:8000";

const config: NextConfig = {
  output: "standalone",
  poweredByHeader: false,
  reactStrictMode: true,
  typedRoutes: true,
  headers: () => [{ source: "/:path*", headers: fixedHeaders }],
  // In production a proxy in front of both does this (deploy/nginx). The WebSocket goes the same way.
  rewrites: () => [{ source: "/api/v1/:path*", destination: `${api}/api/v1/:path*` }],
};

export default config;
