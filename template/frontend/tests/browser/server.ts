import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createSocket, type AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

const BUILD = ".next/standalone/server.js";
const SITEMAP = ".next/server/app/sitemap.xml.body";
const SECONDS_TO_START = 30;

/** The built server, and an API of which it only asks how it is. */
export interface Site {
  address: string;
  /** Of the process that serves it. */
  pid: number;
  /** Says from now on that the API's database can be reached, or that it cannot. */
  setDatabase: (works: boolean) => void;
  stop: () => Promise<void>;
}

/** The paths of all public pages, as the build tells search engines. */
export function publicPages(): string[] {
  requireBuild();
  const addresses = readFileSync(SITEMAP, "utf8").matchAll(/<loc>([^<]+)<\/loc>/g);
  return [...addresses].map(([, address = ""]) => new URL(address).pathname);
}

function requireBuild() {
  if (!existsSync(BUILD)) throw new Error("There is no build to test: run `npm run build` first.");
}

/** Start it, with more settings than the build needs to show its public pages. */
export async function startSite(settings: Record<string, string> = {}): Promise<Site> {
  requireBuild();
  const condition = { database: "ok" };
  const api = await startApi(condition);
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const server = spawn(process.execPath, [BUILD], {
    env: {
      ...process.env,
      NODE_ENV: "production",
      HOSTNAME: "127.0.0.1",
      PORT: String(port),
      API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
      ...settings,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await answering(address, server);
  return {
    address,
    pid: server.pid ?? 0,
    setDatabase(works) {
      condition.database = works ? "ok" : "unreachable";
    },
    async stop() {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGTERM");
      await ended;
      api.close();
    },
  };
}

function startApi(checks: Record<string, string>): Promise<Server> {
  const api = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify(request.url === "/readyz" ? { checks } : { status: "alive" }),
    );
  });
  return new Promise((resolve) => {
    api.listen(0, "127.0.0.1", () => {
      resolve(api);
    });
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket().listen(0, "127.0.0.1", () => {
      const { port } = socket.address() as AddressInfo;
      socket.close(() => {
        resolve(port);
      });
    });
  });
}

async function answering(address: string, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + SECONDS_TO_START * 1000;
  while (Date.now() < deadline) {
    if (server.exitCode !== null) throw new Error(`The server ended with ${server.exitCode}.`);
    try {
      await fetch(`${address}/robots.txt`);
      return;
    } catch {
      await pause(100);
    }
  }
  throw new Error(`The server did not answer within ${SECONDS_TO_START} s.`);
}
