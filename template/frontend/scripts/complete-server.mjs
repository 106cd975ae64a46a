/**
 * After `next build`: put beside the standalone server what it serves besides pages, so that the folder
 * is all that it takes. Where a host of Next's own keeps those files, there is no such folder.
 */

import { cpSync, existsSync } from "node:fs";

const server = ".next/standalone";

if (existsSync(server)) {
  cpSync(".next/static", `${server}/.next/static`, { recursive: true });
  if (existsSync("public")) cpSync("public", `${server}/public`, { recursive: true });
}
