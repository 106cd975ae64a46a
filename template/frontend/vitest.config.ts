import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: {
      "@": fileURLToPath(new URL("src", import.meta.url)),
      // It only keeps modules out of the browser; here is no bundler that would ask.
      "server-only": fileURLToPath(new URL("tests/nothing.ts", import.meta.url)),
    },
  },
  test: {
    projects: [
      { extends: true, test: { name: "units", include: ["tests/*.test.{ts,tsx}"] } },
      {
        // Against the built server, in a real browser: `npm run build` comes first.
        extends: true,
        test: {
          name: "browser",
          include: ["tests/browser/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
