import { useId } from "react";

interface ProgressBarProps {
  label: string;
  /** How much is done; undefined while nobody knows how much there is. */
  value?: number | undefined;
  max?: number;
  /** The same in words, beside the label: "1,200 of 5,000 rows". */
  told?: string;
}

/** The browser's own progress element: its width needs no style attribute. */
export function ProgressBar({ label, value, max = 100, told }: ProgressBarProps) {
  const id = useId();
  return (
    <div className="grid gap-1.5">
      <div className="flex justify-between gap-4 text-sm">
        <label htmlFor={id} className="font-medium text-ink">
          {label}
        </label>
        {told ? <span className="text-muted tabular-nums">{told}</span> : null}
      </div>
      <progress
        id={id}
        value={value}
        max={max}
        className="progress h-2 w-full overflow-hidden rounded-full"
      />
    </div>
  );
}
