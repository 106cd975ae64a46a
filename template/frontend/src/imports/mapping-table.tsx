import { Select } from "@/components/ui/select";
import { Cell, HeaderCell, Table, TableBody, TableHead, TableRow } from "@/components/ui/table";

import { columns, mapped, required, type Mapping } from "./columns";
import type { Preview } from "./file";

interface MappingTableProps {
  shown: Preview;
  mapping: Mapping;
  onChange: (mapping: Mapping) => void;
}

/** The first rows as they will be imported, and where each column comes from. */
export function MappingTable({ shown, mapping, onChange }: MappingTableProps) {
  return (
    <Table label="Preview">
      <TableHead>
        <TableRow>
          {columns.map((column) => (
            <HeaderCell key={column} className="min-w-40">
              <label className="grid gap-1.5">
                <span>
                  {column}
                  {required.includes(column) ? "" : " (may be left out)"}
                </span>
                <Select
                  value={mapping[column]}
                  onChange={(event) => {
                    onChange({ ...mapping, [column]: Number(event.target.value) });
                  }}
                >
                  <option value={-1}>–</option>
                  {shown.header.map((name, at) => (
                    // Two columns of a file may have the same name.
                    <option key={`${at} ${name}`} value={at}>
                      {name || `column ${at + 1}`}
                    </option>
                  ))}
                </Select>
              </label>
            </HeaderCell>
          ))}
        </TableRow>
      </TableHead>
      <TableBody>
        {shown.rows.map((row, at) => (
          <TableRow key={at}>
            {mapped(row, mapping).map((value, column) => (
              <Cell key={columns[column]} className="max-w-64 truncate">
                {value}
              </Cell>
            ))}
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}
