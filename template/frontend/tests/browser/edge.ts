import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { freePort } from "./server";

const TEMPLATE = "../deploy/nginx/site.conf.template";
const SECONDS_TO_START = 10;

export const hasNginx = spawnSync("nginx", ["-v"]).status === 0;

export interface Edge {
  address: string;
  stop: () => Promise<void>;
}

/** nginx with the configuration that is deployed, in front of a front end and an API. */
export async function startEdge(frontend: string, api: string): Promise<Edge> {
  const folder = mkdtempSync(path.join(tmpdir(), "edge-"));
  const port = await freePort();
  const values: Record<string, string> = {
    PORT: `127.0.0.1:${port}`,
    FRONTEND: new URL(frontend).host,
    API: new URL(api).host,
    CACHE: `${folder}/cache`,
    RELEASE: "test",
  };
  const site = readFileSync(TEMPLATE, "utf8")
    .replaceAll(/\$\{([A-Z]+)\}/g, (_, name: string) => values[name] ?? "")
    .replace("/dev/stdout", `${folder}/access.log`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(" ");
  const isRoot = process.getuid?.() === 0;
  writeFileSync(
    `${folder}/nginx.conf`,
    [
      "daemon off;",
      // As root, nginx would give its workers to a user who cannot write here.
      isRoot ? "user root;" : "",
      `pid ${folder}/nginx.pid; error_log ${folder}/error.log;`,
      `events {} http { ${temporary} ${site} }`,
    ].join("\n"),
  );
  const nginx = spawn("nginx", ["-c", `${folder}/nginx.conf`, "-e", `${folder}/error.log`], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const address = `http://127.0.0.1:${port}`;
  await answering(address);
  return {
    address,
    async stop() {
      const ended = new Promise((resolve) => nginx.once("exit", resolve));
      nginx.kill("SIGQUIT");
      await ended;
      rmSync(folder, { recursive: true });
    },
  };

  async function answering(at: string): Promise<void> {
    const deadline = Date.now() + SECONDS_TO_START * 1000;
    while (Date.now() < deadline) {
      if (nginx.exitCode !== null) {
        throw new Error(`nginx ended: ${readFileSync(`${folder}/error.log`, "utf8")}`);
      }
      try {
        await fetch(`${at}/robots.txt`);
        return;
      } catch {
        await pause(50);
      }
    }
    throw new Error(`nginx did not answer within ${SECONDS_TO_START} s.`);
  }
}
