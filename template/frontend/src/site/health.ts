import "server-only";

/** What can be told of a part: it works, it does not, or nobody could ask. */
export type Condition = "working" | "failing" | "unknown";

export interface Part {
  name: string;
  condition: Condition;
}

export interface Health {
  parts: readonly Part[];
  at: Date;
}

const SECONDS = 3;

/** The names of the API's checks, as a reader would say them. */
const names: Readonly<Record<string, string>> = {
  database: "Database",
  queue: "Background jobs",
  storage: "File storage",
  migrations: "Database version",
};

/** Ask the API how it and its parts are. It answers /readyz with 503 and the same body if one is not. */
export async function askHealth(api: string): Promise<Health> {
  const at = new Date();
  const [alive, ready] = await Promise.all([ask(`${api}/healthz`), ask(`${api}/readyz`)]);
  const checks = alive ? checksOf(ready) : {};
  return {
    at,
    parts: [
      { name: "API", condition: alive ? "working" : "unknown" },
      ...Object.entries(checks).map(([name, result]) => ({
        name: names[name] ?? name,
        condition: result === "ok" ? ("working" as const) : ("failing" as const),
      })),
    ],
  };
}

/** In one sentence: the worst of it. */
export function summary({ parts }: Health): Condition {
  if (parts.some(({ condition }) => condition === "failing")) return "failing";
  return parts.every(({ condition }) => condition === "working") ? "working" : "unknown";
}

async function ask(address: string): Promise<unknown> {
  try {
    const answer = await fetch(address, {
      cache: "force-cache",
      next: { revalidate: 15 },
      signal: AbortSignal.timeout(SECONDS * 1000),
    });
    return await answer.json();
  } catch {
    return undefined;
  }
}

function checksOf(answer: unknown): Record<string, unknown> {
  const checks =
    typeof answer === "object" && answer !== null && "checks" in answer ? answer.checks : undefined;
  return typeof checks === "object" && checks !== null ? { ...checks } : {};
}
