"use client";

import { FileUp } from "lucide-react";
import type { Route } from "next";
import { useRouter } from "next/navigation";
import { useEffect, useEffectEvent, useId, useRef, useState, type DragEvent } from "react";

import { classNames } from "@/class-names";
import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { ProgressBar } from "@/components/ui/progress-bar";

import { isExact, suggested, fault, type Mapping } from "./columns";
import { preview, rewritten, type Preview } from "./file";
import { MappingTable } from "./mapping-table";
import { upload } from "./upload";

interface Chosen {
  file: File;
  /** The same for every attempt with this file. */
  key: string;
  shown: Preview;
  mapping: Mapping;
}

/** A file by drag and drop or from the browser's own dialog, looked at before it is sent. */
export function UploadForm() {
  const router = useRouter();
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [over, setOver] = useState(false);
  const [share, setShare] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  async function choose(file: File | undefined) {
    if (!file) return;
    setProblem(null);
    const shown = await preview(file);
    if (shown.header.length === 0) {
      setChosen(null);
      setProblem(`${file.name} is empty.`);
      return;
    }
    setChosen({ file, key: crypto.randomUUID(), shown, mapping: suggested(shown.header) });
  }

  // Chosen in the moment before React took the page over, which tells nobody of it.
  const takeOver = useEffectEvent(() => void choose(input.current?.files?.[0]));
  useEffect(() => {
    takeOver();
  }, []);

  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    void choose(event.dataTransfer.files[0]);
  }

  async function send({ file, key, shown, mapping }: Chosen) {
    setProblem(null);
    setShare(0);
    const fits = isExact(shown.header) && shown.delimiter === ",";
    const sent = await upload(
      fits ? file : await rewritten(file, mapping, shown.delimiter),
      key,
      setShare,
    );
    if ("id" in sent) {
      router.push(`/app/imports/${sent.id}` as Route);
      return;
    }
    setShare(null);
    setProblem(sent.problem);
  }

  const wrong = chosen ? fault(chosen.mapping) : null;
  return (
    <div className="grid gap-5">
      {problem ? <Alert tone="danger">{problem}</Alert> : null}
      <label
        htmlFor={id}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => {
          setOver(false);
        }}
        onDrop={drop}
        data-testid="drop"
        className={classNames(
          "grid cursor-pointer justify-items-center gap-2 rounded-card border-2 border-dashed border-field px-6 py-10 text-center has-focus-visible:outline-2 has-focus-visible:outline-accent",
          over ? "border-accent bg-accent-soft" : "hover:bg-hover",
        )}
      >
        <FileUp aria-hidden className="size-6 text-accent" />
        <span className="font-medium">{chosen?.file.name ?? "Drop a CSV file here, or choose one"}</span>
        <span className="text-sm text-muted">UTF-8, with a line of column names first.</span>
        <input
          ref={input}
          id={id}
          type="file"
          accept=".csv,text/csv"
          className="sr-only"
          disabled={share !== null}
          onChange={(event) => void choose(event.target.files?.[0])}
        />
      </label>
      {chosen ? (
        <>
          <MappingTable
            shown={chosen.shown}
            mapping={chosen.mapping}
            onChange={(mapping) => {
              setChosen({ ...chosen, mapping, key: crypto.randomUUID() });
            }}
          />
          {wrong ? <Alert tone="warning">{wrong}</Alert> : null}
          {share === null ? (
            <div className="flex gap-2">
              <Button disabled={wrong !== null} onClick={() => void send(chosen)}>
                Import these contacts
              </Button>
              <Button
                variant="secondary"
                onClick={() => {
                  setChosen(null);
                }}
              >
                Choose another file
              </Button>
            </div>
          ) : (
            <ProgressBar label="Sending the file" value={Math.round(share * 100)} told={`${Math.round(share * 100)} %`} />
          )}
        </>
      ) : null}
    </div>
  );
}
