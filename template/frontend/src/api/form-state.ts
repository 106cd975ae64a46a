/** What a form shows after it was sent: what was wrong, and what had been typed. */
export interface FormState {
  problem?: string;
  fields?: Readonly<Record<string, string>>;
  values?: Readonly<Record<string, string>>;
  /** Says that it worked, where the page does not show it anyway. */
  done?: string;
}
