// Runs a function of a Vercel build as the platform does: `node function.mjs <frontend> <name> <folder> <port>`.
// Its files are laid out in a folder of their own, so that it finds nothing that it would not find there.

import { cpSync, readFileSync, realpathSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const [frontend, name, folder, port] = process.argv.slice(2);
const built = realpathSync(path.join(frontend, ".vercel/output/functions", `${name}.func`));
const { filePathMap, handler } = JSON.parse(readFileSync(path.join(built, ".vc-config.json"), "utf8"));
for (const [to, from] of Object.entries(filePathMap)) {
  cpSync(path.join(frontend, from), path.join(folder, to), { recursive: true });
}
cpSync(built, folder, { recursive: true, dereference: true });

const answer = createRequire(path.join(folder, "index.js"))(`./${handler}`);
createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
}).listen(Number(port), "127.0.0.1", () => {
  console.log("ready");
});
