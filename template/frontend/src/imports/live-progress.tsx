"use client";

import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";

import { Alert } from "@/components/ui/alert";
import { Badge } from "@/components/ui/badge";
import { ProgressBar } from "@/components/ui/progress-bar";
import { counted } from "@/format";
import { browser, Connection, type Message, type Status } from "@/realtime/connection";

export interface Progress {
  status: "queued" | "running" | "succeeded" | "failed";
  rows_total: number | null;
  rows_done: number;
  rows_rejected: number;
  error: string | null;
}

const words: Record<Status, string> = {
  connecting: "connecting",
  live: "live",
  waiting: "reconnecting",
  refused: "not live",
};

/** An import as it goes on. What the server rendered is where it begins, and what it comes back to. */
export function LiveProgress({ id, rendered }: { id: string; rendered: Progress }) {
  const router = useRouter();
  const [told, setTold] = useState<Progress | null>(null);
  const [status, setStatus] = useState<Status>("connecting");
  const shown = told && told.rows_done >= rendered.rows_done ? told : rendered;
  const over = rendered.status === "succeeded" || rendered.status === "failed";

  useEffect(() => {
    if (over) return;
    const refresh = () => {
      router.refresh();
    };
    const connection = new Connection(
      {
        onMessage(message) {
          const progress = progressOf(message, id);
          if (!progress) return;
          setTold(progress);
          if (progress.status === "succeeded" || progress.status === "failed") refresh();
        },
        onGap: refresh,
        onStatus(now) {
          setStatus(now);
          // What happened until now, the server knows; from now on, the connection tells.
          if (now === "live" || now === "waiting") refresh();
        },
      },
      browser,
    );
    return () => {
      connection.close();
    };
  }, [id, over, router]);

  const { rows_done: done, rows_total: total } = shown;
  return (
    <div className="grid gap-4">
      {shown.error ? (
        <Alert tone="danger" title="This file could not be imported">
          {shown.error}
        </Alert>
      ) : null}
      <ProgressBar
        label={labels[shown.status]}
        value={shown.status === "succeeded" ? 1 : total === null ? undefined : done}
        max={shown.status === "succeeded" ? 1 : Math.max(1, total ?? 1)}
        told={total === null ? `${counted(done)} rows` : `${counted(done)} of ${counted(total)} rows`}
      />
      {over ? null : (
        <p>
          <Badge tone={status === "live" ? "accent" : "neutral"}>{words[status]}</Badge>
        </p>
      )}
    </div>
  );
}

const labels = {
  queued: "Waiting for a worker",
  running: "Importing",
  succeeded: "Imported",
  failed: "Not imported",
};

function progressOf({ type, data }: Message, id: string): Progress | null {
  return type === "import.progress" && data.import_id === id ? (data as unknown as Progress) : null;
}
