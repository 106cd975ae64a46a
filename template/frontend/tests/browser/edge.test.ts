import { createServer, request as ask, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { hasNginx, startEdge, type Edge } from "./edge";
import { named, needed } from "./policies";
import { startSite, type Site } from "./server";

/** Stands for the API: tells what reached it, and accepts every WebSocket. */
const api = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ path: request.url, headers: request.headers }));
});
api.on("upgrade", (request: IncomingMessage, socket) => {
  socket.end(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nx-path: ${request.url}\r\n\r\n`,
  );
});

describe.skipIf(!hasNginx)("behind nginx", () => {
  let site: Site;
  let edge: Edge;
  const running: { stop: () => Promise<void> }[] = [];

  beforeAll(async () => {
    await new Promise<void>((resolve) => {
      api.listen(0, "127.0.0.1", resolve);
    });
    site = await startSite();
    running.push(site);
    const { port } = api.address() as AddressInfo;
    edge = await startEdge(site.address, `http://127.0.0.1:${port}`);
    running.push(edge);
  });

  afterAll(async () => {
    await Promise.all(running.map((server) => server.stop()));
    api.close();
  });

  function get(path: string, headers: Record<string, string> = {}) {
    return fetch(edge.address + path, { headers });
  }

  test("a page comes from the cache the second time, with the policy of its document", async () => {
    const first = await get("/pricing");
    expect(first.headers.get("x-cache")).toBe("MISS");
    const second = await get("/pricing");
    expect(second.headers.get("x-cache")).toBe("HIT");
    expect(second.headers.get("content-security-policy")).toContain("'sha256-");
    expect(second.headers.get("content-security-policy")).toBe(
      first.headers.get("content-security-policy"),
    );
    expect(await second.text()).toBe(await first.text());
  });

  test("a page that is rendered anew comes from the cache before and after, with the policy of each", { timeout: 120_000 }, async () => {
    const hit = async () => {
      const answer = await get("/status");
      const html = await answer.text();
      return answer.headers.get("x-cache") === "HIT"
        ? { html, policy: answer.headers.get("content-security-policy") ?? "" }
        : undefined;
    };
    await get("/status");
    const before = await vi.waitUntil(hit, { timeout: 30_000 });
    expect(named(before.policy)).toEqual(needed(before.html));

    const worked = before.html.includes(">Everything works</h1>");
    site.setDatabase(!worked);
    const heading = worked ? ">Something does not work</h1>" : ">Everything works</h1>";
    const after = await vi.waitUntil(
      async () => {
        const page = await hit();
        return page?.html.includes(heading) ? page : undefined;
      },
      { timeout: 90_000, interval: 500 },
    );
    expect(named(after.policy)).toEqual(needed(after.html));
    expect(after.policy).not.toBe(before.policy);
  });

  test("whoever asks for data does not get it in place of the document, nor the other way round", async () => {
    const data = await get("/blog", { rsc: "1" });
    expect(data.headers.get("content-type")).toBe("text/x-component");
    const page = await get("/blog");
    expect(page.headers.get("content-type")).toContain("text/html");
    const prefetched = await get("/blog", { rsc: "1", "next-router-prefetch": "1" });
    expect(prefetched.headers.get("x-cache")).toBe("MISS");
    expect((await get("/blog")).headers.get("x-cache")).toBe("HIT");
  });

  test("a page for one person is never kept", async () => {
    for (const path of ["/app", "/app/contacts", "/sign-in"]) {
      await get(path);
      const { headers } = await get(path);
      expect(headers.get("x-cache")).toBe("BYPASS");
    }
  });

  test("a policy that someone sends along does not reach what is rendered", async () => {
    const answer = await get("/docs", { "content-security-policy": "script-src 'nonce-mine'" });
    expect(await answer.text()).not.toContain("mine");
    expect(answer.headers.get("content-security-policy")).not.toContain("mine");
  });

  test("while the front end is down, readers get what is there", async () => {
    const other = await startSite();
    const before = await startEdge(other.address, edge.address);
    await fetch(`${before.address}/legal/terms`);
    await other.stop();
    const answer = await fetch(`${before.address}/legal/terms`);
    expect(answer.status).toBe(200);
    expect((await fetch(`${before.address}/legal/privacy`)).status).toBe(502);
    await before.stop();
  });

  test("the API answers under the same address, and is told where the request came from", async () => {
    const answer = await get("/api/v1/me?x=1", { "x-forwarded-proto": "https" });
    expect(answer.headers.has("x-cache")).toBe(false);
    expect(await answer.json()).toMatchObject({
      path: "/api/v1/me?x=1",
      headers: { "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https" },
    });
  });

  test("a WebSocket goes through to the API", async () => {
    const upgraded = await new Promise<IncomingMessage>((resolve, reject) => {
      ask(`${edge.address}/api/v1/realtime?ticket=t`, {
        headers: { connection: "Upgrade", upgrade: "websocket" },
      })
        .on("upgrade", (response, socket) => {
          socket.destroy();
          resolve(response);
        })
        .on("error", reject)
        .end();
    });
    expect(upgraded.statusCode).toBe(101);
    expect(upgraded.headers["x-path"]).toBe("/api/v1/realtime?ticket=t");
  });

  test("a page is kept compressed for whoever takes that, and as it is for whoever does not", async () => {
    const answers = async (encoding: string) => {
      await get("/docs", { "accept-encoding": encoding });
      const { headers, body } = await raw("/docs", encoding);
      expect(headers["x-cache"]).toBe("HIT");
      return { encoding: headers["content-encoding"], body };
    };
    const plain = await answers("identity");
    expect(plain.encoding).toBeUndefined();
    expect(await answers("gzip;q=0, br")).toEqual(plain);
    const compressed = await answers("deflate, gzip");
    expect(compressed.encoding).toBe("gzip");
    expect(gunzipSync(compressed.body)).toEqual(plain.body);
    // As Next does it; nginx left to itself takes a fifth more.
    expect(compressed.body.length).toBeLessThan(1.05 * gzipSync(plain.body).length);
  });

  /** An answer as it came, which `fetch` would unpack. */
  function raw(path: string, encoding: string) {
    return new Promise<{ headers: IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
      ask(edge.address + path, { headers: { "accept-encoding": encoding } }, (response) => {
        buffer(response).then((body) => {
          resolve({ headers: response.headers, body });
        }, reject);
      })
        .on("error", reject)
        .end();
    });
  }
});
