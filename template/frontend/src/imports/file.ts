import Papa from "papaparse";

import { columns, mapped, type Mapping } from "./columns";

export interface Preview {
  header: readonly string[];
  rows: readonly (readonly string[])[];
  delimiter: string;
}

const SHOWN = 5;

/** The beginning of a file, which is all that is read of it. */
export async function preview(file: File): Promise<Preview> {
  const text = await file.slice(0, 64 * 1024).text();
  const { data, meta } = Papa.parse<string[]>(text, { preview: SHOWN + 1, skipEmptyLines: true });
  const [header = [], ...rows] = data;
  return { header, rows, delimiter: meta.delimiter };
}

/** The same contacts with the API's own header, written piece by piece as the file is read. */
export function rewritten(file: File, mapping: Mapping, delimiter: string): Promise<File> {
  const parts: BlobPart[] = [`${columns.join(",")}\r\n`];
  return new Promise((resolve, reject) => {
    let isFirst = true;
    Papa.parse<string[]>(file, {
      delimiter,
      skipEmptyLines: true,
      chunk({ data }) {
        const rows = isFirst ? data.slice(1) : data;
        isFirst = false;
        if (rows.length === 0) return;
        parts.push(
          Papa.unparse(
            rows.map((row) => mapped(row, mapping)),
            { newline: "\r\n" },
          ),
          "\r\n",
        );
      },
      complete: () => {
        resolve(new File(parts, file.name, { type: "text/csv" }));
      },
      error: reject,
    });
  });
}
