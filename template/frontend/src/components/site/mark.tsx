import { product } from "@/product";

/** The product's mark: its first letter, cut from its colour. */
export function Mark({ className = "size-7" }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={className}>
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <text
        x="16"
        y="22.5"
        textAnchor="middle"
        className="fill-on-accent font-sans text-[19px] font-bold"
      >
        {initial}
      </text>
    </svg>
  );
}

const [letter] = new Intl.Segmenter("en").segment(product.name);

/** The first letter of the name, as readers count letters. */
export const initial = letter?.segment.toLocaleUpperCase("en") ?? "";
