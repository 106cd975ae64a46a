/** What the trail can be searched by, in the order in which the page asks. */
export const filters = ["actor", "action", "table", "since"] as const;

export type Filter = (typeof filters)[number];

export type Filters = Readonly<Record<Filter, string>>;

/** The filters of a page's address; "" for one that is not there. */
export function filtersOf(value: (name: Filter) => string): Filters {
  return Object.fromEntries(filters.map((name) => [name, value(name)])) as Filters;
}

/** The same as the API asks for them: a day begins at midnight, UTC. */
export function query({ since, ...words }: Filters): Partial<Filters> {
  const asked = { ...words, since: since && `${since}T00:00:00Z` };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value));
}
