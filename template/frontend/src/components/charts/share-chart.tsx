interface Share {
  label: string;
  value: number;
  tone: "accent" | "danger" | "neutral";
}

interface ShareChartProps {
  label: string;
  shares: readonly Share[];
  told: (value: number) => string;
}

const WIDTH = 560;
const fills = { accent: "fill-accent", danger: "fill-danger", neutral: "fill-field" };

/** One bar, parted by shares, with a legend that holds the numbers. */
export function ShareChart({ label, shares, told }: ShareChartProps) {
  const total = Math.max(1, shares.reduce((sum, { value }) => sum + value, 0));
  const before = (at: number) => shares.slice(0, at).reduce((sum, { value }) => sum + value, 0);
  const scale = WIDTH / total;
  return (
    <figure className="grid gap-5" aria-label={label}>
      <svg viewBox={`0 0 ${WIDTH} 28`} aria-hidden className="h-auto w-full">
        <rect width={WIDTH} height={28} rx={6} className="fill-hover" />
        {shares.map(({ label: name, value, tone }, at) =>
          value > 0 ? (
            <rect
              key={name}
              x={before(at) * scale}
              width={value * scale}
              height={28}
              rx={6}
              className={fills[tone]}
            />
          ) : null,
        )}
      </svg>
      <dl className="grid gap-2 sm:grid-cols-3">
        {shares.map(({ label: name, value, tone }) => (
          <div key={name} className="grid gap-0.5">
            <dt className="flex items-center gap-2 text-sm text-muted">
              <svg viewBox="0 0 10 10" aria-hidden className="size-2.5">
                <circle cx={5} cy={5} r={5} className={fills[tone]} />
              </svg>
              {name}
            </dt>
            <dd className="text-xl font-semibold tabular-nums">{told(value)}</dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}
