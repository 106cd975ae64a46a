/** After `next build`: what browsers load as files goes to where the standalone server looks for it. */

import { cpSync, existsSync } from "node:fs";

for (const folder of [".next/static", "public"]) {
  if (existsSync(folder)) cpSync(folder, `.next/standalone/${folder}`, { recursive: true });
}
