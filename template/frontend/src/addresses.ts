import type { Route } from "next";

export type SearchParams = Promise<Record<string, string | string[] | undefined>>;

/** One parameter of an address; "" where it is missing, the first where it is there twice. */
export function parameter(
  parameters: Record<string, string | string[] | undefined>,
  name: string,
): string {
  const value = parameters[name];
  return (Array.isArray(value) ? value[0] : value)?.trim() ?? "";
}

/** An address of this product with these parameters, without those that are empty. */
export function addressOf(path: string, parameters: Readonly<Record<string, string | null>>): Route {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => !!entry[1]);
  const query = new URLSearchParams(given).toString();
  return (query ? `${path}?${query}` : path) as Route;
}
