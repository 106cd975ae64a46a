/** The columns that the API imports, in the order in which it wants them. */
export const columns = ["name", "email", "company", "amount"] as const;
export type Column = (typeof columns)[number];

/** For each of our columns, which column of the file it is taken from; -1 for none. */
export type Mapping = Readonly<Record<Column, number>>;

export const required: readonly Column[] = ["name", "email"];

const others: Readonly<Record<Column, readonly string[]>> = {
  name: ["full name", "contact", "contact name", "customer"],
  email: ["e-mail", "email address", "e-mail address", "mail"],
  company: ["organization", "organisation", "account", "company name", "employer"],
  amount: ["value", "total", "sum", "revenue", "deal value"],
};

/** The mapping that the file's own header suggests. */
export function suggested(header: readonly string[]): Mapping {
  const names = header.map((name) => name.trim().toLowerCase().replace(/[_\s]+/g, " "));
  const find = (column: Column) => {
    const at = names.indexOf(column);
    return at >= 0 ? at : names.findIndex((name) => others[column].includes(name));
  };
  return {
    name: find("name"),
    email: find("email"),
    company: find("company"),
    amount: find("amount"),
  };
}

/** Whether the file can be sent as it is. */
export function isExact(header: readonly string[]): boolean {
  return (
    header.length === columns.length &&
    columns.every((column, at) => header[at]?.trim().toLowerCase() === column)
  );
}

/** Why a mapping will not do; null if it will. */
export function fault(mapping: Mapping): string | null {
  const missing = required.filter((column) => mapping[column] < 0);
  if (missing.length > 0) return `Choose the column that holds the ${missing.join(" and the ")}.`;
  const used = columns.map((column) => mapping[column]).filter((at) => at >= 0);
  return new Set(used).size < used.length ? "Two of them are taken from the same column." : null;
}

/** A row of the file as the API wants it. */
export function mapped(row: readonly string[], mapping: Mapping): string[] {
  return columns.map((column) => (mapping[column] < 0 ? "" : (row[mapping[column]] ?? "")));
}
