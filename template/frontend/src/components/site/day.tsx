/** A day, in words and for machines. */
export function Day({ date }: { date: string }) {
  const words = new Intl.DateTimeFormat("en", { dateStyle: "long", timeZone: "UTC" });
  return <time dateTime={date}>{words.format(new Date(date))}</time>;
}
