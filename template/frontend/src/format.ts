const moment = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "medium",
  timeStyle: "short",
  timeZone: "UTC",
});
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const count = new Intl.NumberFormat("en");

/** The same words on the server and in every browser: a moment in UTC. */
export function inWords(iso: string): string {
  return `${moment.format(new Date(iso))} UTC`;
}

export function dayInWords(date: Date): string {
  return day.format(date);
}

export function counted(number: number): string {
  return count.format(number);
}

/** An amount, which the API writes as a decimal in a string, with the thousands apart. */
export function amount(decimal: string): string {
  const [whole = "0", fraction = ""] = decimal.split(".");
  const sign = whole.startsWith("-") ? "−" : "";
  const grouped = whole.replace("-", "").replace(/\B(?=(\d{3})+$)/g, ",");
  return `${sign}${grouped}.${fraction.padEnd(2, "0")}`;
}
