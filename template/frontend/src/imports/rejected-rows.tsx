import "server-only";

import Papa from "papaparse";

import { apiUrl, credentials } from "@/api";
import { problemOf } from "@/api/problem";
import { Cell, HeaderCell, Table, TableBody, TableHead, TableRow } from "@/components/ui/table";

const SHOWN = 50;

/** The first rejected rows, each with its line, its column and the reason. */
export async function RejectedRows({ id }: { id: string }) {
  const rows = await beginning(id);
  return (
    <Table label="Rejected rows">
      <TableHead>
        <TableRow>
          <HeaderCell>Line</HeaderCell>
          <HeaderCell>Column</HeaderCell>
          <HeaderCell>Reason</HeaderCell>
          <HeaderCell>Row</HeaderCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {rows.map(([line = "", column = "", reason = "", ...fields]) => (
          <TableRow key={`${line} ${column} ${reason}`}>
            <Cell>{line}</Cell>
            <Cell>{column || "–"}</Cell>
            <Cell>{reason}</Cell>
            <Cell className="max-w-96 truncate text-muted">{fields.filter(Boolean).join(", ")}</Cell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** As much of the file as is shown: the rest is not read. */
async function beginning(id: string): Promise<string[][]> {
  const answer = await fetch(`${apiUrl()}/api/v1/imports/${encodeURIComponent(id)}/rejected.csv`, {
    headers: await credentials(),
    cache: "no-store",
  });
  if (!answer.ok || !answer.body) throw problemOf(answer, null);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    text += value ?? "";
    const rows = parsed(text);
    // One more than is shown: the last one may be cut off.
    if (!done && rows.length <= SHOWN + 1) continue;
    await reader.cancel();
    return rows.slice(1, SHOWN + 1);
  }
}

function parsed(text: string): string[][] {
  return Papa.parse<string[]>(text, { skipEmptyLines: true, preview: SHOWN + 2, delimiter: "," }).data;
}
