// Grades pages: `node grade.mjs host:port/path …`. Prints a line of JSON for each: its grade, which of MDN's tests failed,
// and what Google's evaluator finds in its policy.

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { CspEvaluator } from "csp_evaluator/dist/evaluator.js";
import { CspParser } from "csp_evaluator/dist/parser.js";

// The package fetches the list of hosts that browsers know to be HTTPS only; ours is none of them.
const observatory = createRequire(import.meta.url).resolve("@mdn/mdn-http-observatory");
writeFileSync(path.join(observatory, "../../conf/hsts-preload.json"), "{}");
const { scan } = await import("@mdn/mdn-http-observatory");

for (const address of process.argv.slice(2)) {
  const { scan: result, tests } = await scan(address);
  const { csp } = new CspParser(result.responseHeaders["content-security-policy"]);
  const failed = Object.values(tests).filter(({ pass }) => !pass);
  console.log(
    JSON.stringify({
      address,
      grade: result.grade,
      status: result.statusCode,
      failed: failed.map((test) => `${test.constructor.name}: ${test.result}`),
      findings: new CspEvaluator(csp).evaluate().map(({ directive, description }) => `${directive}: ${description}`),
    }),
  );
}
