import { ImageResponse } from "next/og";

import { initial } from "@/components/site/mark";

export const size = { width: 180, height: 180 };
export const contentType = "image/png";

/** The icon on a phone's home screen, drawn at build time from the product's name. */
export default function AppleIcon(): ImageResponse {
  return new ImageResponse(
    (
      <div
        style={{
          width: "100%",
          height: "100%",
          display: "flex",
          alignItems: "center",
          justifyContent: "center",
          background: "#0b6b4f",
          color: "#fff",
          fontSize: 112,
          fontWeight: 700,
        }}
      >
        {initial}
      </div>
    ),
    size,
  );
}
