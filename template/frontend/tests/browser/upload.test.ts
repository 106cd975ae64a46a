import { readFileSync, writeFileSync } from "node:fs";
import { createServer, request as ask, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, expect, test } from "vitest";

import { startSite, type Site } from "./server";

const MB = 1_000_000;
const CHUNK = Buffer.alloc(64 * 1024, "a");

/** How many bytes of an upload the API got, and how many it takes in a second. */
const reading = { bytes: 0, perSecond: Infinity };

let api: Server;
let site: Site;

beforeAll(async () => {
  api = createServer((request, response) => {
    void (async () => {
      reading.bytes = 0;
      const begin = performance.now();
      for await (const chunk of request) {
        reading.bytes += (chunk as Buffer).byteLength;
        const early = (reading.bytes / reading.perSecond) * 1000 - (performance.now() - begin);
        if (early > 0) await pause(early);
      }
      response.writeHead(202, { "content-type": "application/json" }).end(JSON.stringify({ id: "made" }));
    })();
  });
  await new Promise<void>((resolve) => {
    api.listen(0, "127.0.0.1", resolve);
  });
  site = await startSite({
    API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
    // As in development, where any token in the session's cookie is the API's to judge. Nobody is asked here.
    DEV_SIGN_IN_URL: "http://127.0.0.1:9",
    DEV_SIGN_IN_SECRET: "unused",
  });
});

afterAll(async () => {
  await site.stop();
  api.close();
});

/** Send as much as that at the server's pace, and give its answer. */
function upload(size: number): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = ask(
      `${site.address}/app/imports/upload`,
      {
        method: "POST",
        headers: {
          "content-type": "multipart/form-data; boundary=none",
          "content-length": size,
          cookie: "development-session=any",
          "sec-fetch-site": "same-origin",
        },
      },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8").on("data", (text: string) => (body += text));
        answer.on("end", () => {
          resolve({ status: answer.statusCode ?? 0, body });
        });
      },
    );
    sent.on("error", reject);
    let left = size;
    const write = () => {
      while (left > 0) {
        const piece = CHUNK.subarray(0, left);
        left -= piece.byteLength;
        if (!sent.write(piece)) {
          sent.once("drain", write);
          return;
        }
      }
      sent.end();
    };
    write();
  });
}

/** The most memory that the server held meanwhile. */
async function peakDuring(size: number): Promise<number> {
  writeFileSync(`/proc/${site.pid}/clear_refs`, "5");
  expect(await upload(size)).toEqual({ status: 202, body: JSON.stringify({ id: "made" }) });
  expect(reading.bytes).toBe(size);
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${site.pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

// Only Linux tells the most that a process ever held.
test.runIf(process.platform === "linux").each([
  ["as fast as it can", Infinity],
  ["slowly", 40 * MB],
])("an upload that the API reads %s is not kept in memory", { timeout: 120_000 }, async (_how, perSecond) => {
  reading.perSecond = perSecond;
  const small = await peakDuring(20 * MB);
  const large = await peakDuring(200 * MB);
  expect(large - small).toBeLessThan(40 * MB);
});

test("what another site sends is not passed on", async () => {
  reading.bytes = 0;
  const answer = await fetch(`${site.address}/app/imports/upload`, {
    method: "POST",
    headers: { cookie: "development-session=any", "sec-fetch-site": "cross-site" },
    body: "name,email",
  });
  expect(answer.status).toBe(403);
  expect(reading.bytes).toBe(0);
});
