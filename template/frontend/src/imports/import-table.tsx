import type { Route } from "next";
import Link from "next/link";

import type { Schemas } from "@/api";
import { Badge } from "@/components/ui/badge";
import { Cell, HeaderCell, Table, TableBody, TableHead, TableRow } from "@/components/ui/table";
import { counted, inWords } from "@/format";

type Import = Schemas["ImportOut"];

const tones = { queued: "neutral", running: "info", succeeded: "accent", failed: "danger" } as const;

export function ImportStatus({ status }: { status: Import["status"] }) {
  return <Badge tone={tones[status]}>{status}</Badge>;
}

export function ImportTable({ imports }: { imports: readonly Import[] }) {
  return (
    <Table label="Imports">
      <TableHead>
        <TableRow>
          <HeaderCell>File</HeaderCell>
          <HeaderCell>Status</HeaderCell>
          <HeaderCell className="text-right">Rows</HeaderCell>
          <HeaderCell className="text-right">Rejected</HeaderCell>
          <HeaderCell>Begun</HeaderCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {imports.map((one) => (
          <TableRow key={one.id}>
            <Cell className="min-w-40 wrap-anywhere">
              <Link
                href={`/app/imports/${one.id}` as Route}
                className="line-clamp-2 font-medium hover:underline"
              >
                {one.file_name || "Without a name"}
              </Link>
            </Cell>
            <Cell>
              <ImportStatus status={one.status} />
            </Cell>
            <Cell className="text-right">{counted(one.rows_done)}</Cell>
            <Cell className="text-right">{counted(one.rows_rejected)}</Cell>
            <Cell className="whitespace-nowrap text-muted">{inWords(one.created_at)}</Cell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}
