import { ImageResponse } from "next/og";

import { initial } from "@/components/site/mark";
import { product } from "@/product";

export const alt = product.name;
export const size = { width: 1200, height: 630 };
export const contentType = "image/png";

/** What is shown beside a link to the site elsewhere, drawn at build time from the product's name. */
export default function SocialImage(): ImageResponse {
  return new ImageResponse(
    (
      <div
        style={{
          width: "100%",
          height: "100%",
          display: "flex",
          flexDirection: "column",
          justifyContent: "space-between",
          padding: 80,
          background: "linear-gradient(135deg, #06281f, #0b6b4f)",
          color: "#f4fbf8",
        }}
      >
        <div
          style={{
            width: 96,
            height: 96,
            display: "flex",
            alignItems: "center",
            justifyContent: "center",
            borderRadius: 24,
            background: "#f4fbf8",
            color: "#0b6b4f",
            fontSize: 60,
            fontWeight: 700,
          }}
        >
          {initial}
        </div>
        <div style={{ display: "flex", flexDirection: "column", gap: 24 }}>
          <div style={{ fontSize: product.name.length > 24 ? 64 : 88, fontWeight: 700, letterSpacing: -2 }}>
            {product.name}
          </div>
          <div style={{ fontSize: 36, color: "#bfe6d8" }}>{product.description}</div>
        </div>
      </div>
    ),
    size,
  );
}
