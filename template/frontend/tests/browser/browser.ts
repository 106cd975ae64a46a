import { existsSync } from "node:fs";

import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

const places = [
  process.env.CHROMIUM ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

export function startBrowser(): Promise<Browser> {
  const executablePath = places.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error("No Chromium is here: install one, or name it in CHROMIUM.");
  // Chromium's own sandbox does not work for root, which tests in containers are.
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({
    executablePath,
    args: [
      ...(isRoot ? ["--no-sandbox"] : []),
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
}

/** A page, and everything that a browser complains of while it shows. */
export interface Watched {
  page: Page;
  complaints: string[];
  foreignRequests: string[];
}

export async function watch(context: BrowserContext, address: string): Promise<Watched> {
  const page = await context.newPage();
  const complaints: string[] = [];
  const foreignRequests: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => {
    complaints.push(String(error));
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(address)) foreignRequests.push(request.url());
  });
  // Also what is blocked without a word in the console, such as a report-only policy's.
  await page.exposeFunction("complain", (text: string) => complaints.push(text));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      const { complain } = window as unknown as { complain: (text: string) => void };
      complain(`${violatedDirective} ${blockedURI}`);
    });
  });
  return { page, complaints, foreignRequests };
}
