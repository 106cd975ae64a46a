interface Bar {
  label: string;
  value: number;
}

const WIDTH = 560;
const HEIGHT = 180;
const FOOT = 24;
const GAP = 8;

/** One bar for each step of time. Who cannot see it gets the same numbers as a table. */
export function BarChart({ label, bars }: { label: string; bars: readonly Bar[] }) {
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const step = WIDTH / bars.length;
  const room = HEIGHT - FOOT - 18;
  return (
    <figure>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden className="h-auto w-full">
        <line x1={0} x2={WIDTH} y1={HEIGHT - FOOT} y2={HEIGHT - FOOT} className="stroke-line" />
        {bars.map((bar, at) => {
          const height = bar.value === 0 ? 2 : Math.max(4, (bar.value / most) * room);
          const x = at * step + GAP / 2;
          return (
            <g key={bar.label}>
              <rect
                x={x}
                y={HEIGHT - FOOT - height}
                width={step - GAP}
                height={height}
                rx={3}
                className={bar.value === 0 ? "fill-line" : "fill-accent"}
              />
              {bar.value > 0 ? (
                <text
                  x={x + (step - GAP) / 2}
                  y={HEIGHT - FOOT - height - 5}
                  textAnchor="middle"
                  className="fill-muted text-xs tabular-nums"
                >
                  {bar.value}
                </text>
              ) : null}
              {at % 3 === (bars.length - 1) % 3 ? (
                <text
                  x={x + (step - GAP) / 2}
                  y={HEIGHT - 6}
                  textAnchor="middle"
                  className="fill-muted text-xs"
                >
                  {bar.label}
                </text>
              ) : null}
            </g>
          );
        })}
      </svg>
      <table className="sr-only">
        <caption>{label}</caption>
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.label}>
              <th scope="row">{bar.label}</th>
              <td>{bar.value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
