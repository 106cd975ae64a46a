import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { CspEvaluator } from "csp_evaluator/dist/evaluator.js";
import { CspParser } from "csp_evaluator/dist/parser.js";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { startBrowser, watch } from "./browser";
import { named, needed } from "./policies";
import { publicPages, startSite, type Site } from "./server";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const missing = "/an-address-that-no-page-has";
const pages = [...publicPages(), missing];

let site: Site;
let browser: Browser;

beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
});

afterAll(async () => {
  await Promise.all([site.stop(), browser.close()]);
});

async function fetched(path: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${site.address}${path}`, { headers });
  return {
    html: await answer.text(),
    policy: answer.headers.get("content-security-policy") ?? "",
    cache: answer.headers.get("x-nextjs-cache"),
    headers: answer.headers,
  };
}

describe.each(["light", "dark"] as const)("in %s", (colorScheme) => {
  test.each(pages)("%s shows without a complaint, and axe has none either", async (path) => {
    const context = await browser.newContext({ colorScheme });
    const { page, complaints, foreignRequests } = await watch(context, site.address);
    const answer = await page.goto(site.address + path, { waitUntil: "networkidle" });
    // A chosen theme is what a page can only do once it has come alive.
    await page.getByRole("radio", { name: "Dark" }).check({ force: true });
    expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
    await page.getByRole("radio", { name: "As the system" }).check({ force: true });

    expect(answer?.status()).toBe(path === missing ? 404 : 200);
    const expected = path === missing ? /status of 404/ : /^$/;
    expect(complaints.filter((text) => !expected.test(text))).toEqual([]);
    expect(foreignRequests).toEqual([]);

    // Colours on their way from one theme to the other have a contrast of their own.
    await page.evaluate(() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished)));
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
      const { violations } = await (
        window as unknown as { axe: { run: () => Promise<{ violations: AxeViolation[] }> } }
      ).axe.run();
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join()}`);
    });
    expect(found).toEqual([]);
    await context.close();
  });
});

interface AxeViolation {
  id: string;
  nodes: { target: string[] }[];
}

test.each(pages)("%s has a policy that names its scripts, and no finding", async (path) => {
  const { html, policy } = await fetched(path);
  expect(named(policy)).toEqual(needed(html));
  expect(new CspEvaluator(new CspParser(policy).csp).evaluate()).toEqual([]);
});

// Of all scripts that a page names, compressed. Next and React alone are 136 kB.
const BYTES_OF_SCRIPT = 145_000;

test.each(pages)("%s waits for one style sheet, knows its font at once, and loads little script", async (path) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(site.address + path, { waitUntil: "load" });
  const loaded = await page.evaluate(() =>
    performance.getEntriesByType("resource").map((entry) => {
      const { name, initiatorType, encodedBodySize } = entry as PerformanceResourceTiming;
      const { renderBlockingStatus } = entry as unknown as { renderBlockingStatus: string };
      return { name, initiatorType, encodedBodySize, blocks: renderBlockingStatus === "blocking" };
    }),
  );
  const blocking = loaded.filter(({ blocks }) => blocks).map(({ name }) => name);
  expect(blocking).toEqual([expect.stringMatching(/\.css$/)]);
  // Asked for by the document. The style sheet would ask for it late, and what is written would move.
  const fonts = loaded.filter(({ name }) => name.endsWith(".woff2"));
  expect(fonts).toEqual([expect.objectContaining({ initiatorType: "link" })]);
  const scripts = loaded.filter(({ name }) => name.endsWith(".js"));
  expect(scripts.length).toBeGreaterThan(3);
  const bytes = scripts.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  expect(bytes).toBeLessThan(BYTES_OF_SCRIPT);
  await context.close();
});

test("no page is wider than a small phone", async () => {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, isMobile: true });
  const page = await context.newPage();
  for (const path of pages) {
    await page.goto(site.address + path);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, path).toBe(360);
  }
  await context.close();
});

test("every page has the headers that do not depend on it", async () => {
  const { headers } = await fetched("/");
  expect(Object.fromEntries(headers)).toMatchObject({
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
  });
  expect(headers.has("x-powered-by")).toBe(false);
});

test("without a sign-in provider's settings the application says that it has none", async () => {
  for (const path of ["/app", "/app/contacts", "/sign-in", "/session/start"]) {
    const answer = await fetch(site.address + path, { redirect: "manual" });
    expect(answer.status).toBe(503);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.text()).toMatch(/^Nobody can sign in here yet/);
  }
});

test("a page that is rendered anew has a policy that fits what is new in it", { timeout: 120_000 }, async () => {
  const seen = new Set<string>();
  for (const [works, heading] of [
    [true, "Everything works"],
    [false, "Something does not work"],
  ] as const) {
    site.setDatabase(works);
    const rendered = async () => {
      const { html, cache } = await fetched("/status");
      return cache === "HIT" && html.includes(`>${heading}</h1>`);
    };
    await expect.poll(rendered, { timeout: 50_000, interval: 500 }).toBe(true);
    const { html, policy } = await fetched("/status");
    expect(named(policy)).toEqual(needed(html));
    seen.add(policy);
  }
  expect(seen.size).toBe(2);
});

test("a nonce that someone sends along does not get into the cache", { timeout: 120_000 }, async () => {
  const forged = "script-src 'nonce-forged0123456789'";
  for (const [works, header] of [
    [true, "content-security-policy"],
    [false, "content-security-policy-report-only"],
  ] as const) {
    site.setDatabase(works);
    const heading = works ? "Everything works" : "Something does not work";
    // Only requests that carry the nonce are made until the page is another.
    const rendered = async () => {
      const { html, cache } = await fetched("/status", { [header]: forged });
      return cache === "HIT" && html.includes(`>${heading}</h1>`);
    };
    await expect.poll(rendered, { timeout: 50_000, interval: 500 }).toBe(true);
    const { html, policy } = await fetched("/status");
    expect(html).not.toContain("forged");
    expect(named(policy)).toEqual(needed(html));
  }
});

test("a script that someone got into a stored page does not run", async () => {
  const context = await browser.newContext();
  const { page, complaints } = await watch(context, site.address);
  const address = `${site.address}/blog/apart-by-the-database`;
  await page.route(address, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace(
      "</article>",
      [
        "<script>window.taken = 'inline'</script>",
        "<script src='/taken.js'></script>",
        "<img src='/icon' onload=\"window.taken = 'attribute'\">",
        "<a id='bait' href=\"javascript:window.taken = 'address'\">Read on</a>",
        "</article>",
      ].join(""),
    );
    await route.fulfill({ response: answer, body });
  });
  // Were the page to come alive, React would remove what it did not render.
  await page.route("**/_next/static/**/*.js", (route) => route.abort());
  await page.route("**/taken.js", (route) =>
    route.fulfill({ contentType: "text/javascript", body: "window.taken = 'file'" }),
  );
  await page.goto(address, { waitUntil: "networkidle" });
  await page.locator("#bait").click();
  const blocked = () => complaints.filter((text) => text.startsWith("script-src")).length;
  await expect.poll(blocked, { timeout: 10_000 }).toBe(4);
  expect(await page.evaluate(() => (window as unknown as { taken?: string }).taken)).toBeUndefined();
  await context.close();
});

test("no string becomes markup, and no script is loaded from elsewhere", async () => {
  const context = await browser.newContext();
  const { page } = await watch(context, site.address);
  await page.goto(site.address);
  const refused = await page.evaluate(() => {
    const attempts = [
      () => {
        document.body.insertAdjacentHTML("beforeend", "<b>hello</b>");
      },
      () => {
        document.createElement("script").src = "https://example.com/x.js";
      },
      () => {
        document.createElement("script").src = "/api/v1/x.js";
      },
    ];
    return attempts.filter((attempt) => {
      try {
        attempt();
        return false;
      } catch {
        return true;
      }
    }).length;
  });
  expect(refused).toBe(3);
  await context.close();
});

test("going from page to page loads no new document", async () => {
  const context = await browser.newContext();
  const { page, complaints } = await watch(context, site.address);
  await page.goto(site.address, { waitUntil: "networkidle" });
  await page.evaluate(() => {
    document.documentElement.dataset.visited = "yes";
  });
  for (const [link, heading] of [
    ["Pricing", /Pay for size/],
    ["Docs", "Documentation"],
    ["Blog", "Blog"],
  ] as const) {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: link }).click();
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
  }
  expect(await page.locator("html").getAttribute("data-visited")).toBe("yes");
  expect(complaints).toEqual([]);
  await context.close();
});

test("a chosen theme holds on a cached page before it is painted", async () => {
  const context = await browser.newContext({ colorScheme: "light", javaScriptEnabled: true });
  await context.addCookies([{ name: "theme", value: "dark", url: site.address }]);
  const page = await context.newPage();
  // Nothing of the build runs: what is left is the script in the document itself.
  await page.route("**/_next/static/**/*.js", (route) => route.abort());
  await page.goto(site.address);
  expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
  await context.close();
});

test("the name makes the icon and the picture that is shown beside a link", async () => {
  const { html } = await fetched("/");
  for (const pattern of [/<link rel="icon" href="([^"]+)"/, /property="og:image" content="([^"]+)"/]) {
    const [, address = ""] = pattern.exec(html) ?? [];
    const { pathname, search } = new URL(address, site.address);
    const answer = await fetch(site.address + pathname + search);
    expect(answer.headers.get("content-type")).toBe("image/png");
    expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(500);
  }
});
