import { ImageResponse } from "next/og";

import { initial } from "@/components/site/mark";

export const size = { width: 64, height: 64 };
export const contentType = "image/png";

/** The favicon, drawn at build time from the product's name. */
export default function Icon(): ImageResponse {
  return new ImageResponse(
    (
      <div
        style={{
          width: "100%",
          height: "100%",
          display: "flex",
          alignItems: "center",
          justifyContent: "center",
          borderRadius: 16,
          background: "#0b6b4f",
          color: "#fff",
          fontSize: 40,
          fontWeight: 700,
        }}
      >
        {initial}
      </div>
    ),
    size,
  );
}
