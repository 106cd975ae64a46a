import { browser } from "@/session/choice/browser";

/** What came of an upload. */
export type Uploaded = { id: string } | { problem: string };

const lost = { problem: "The connection was lost. Try again: nothing is imported twice." };

/**
 * Send a file, telling how much of it is gone.
 *
 * @param key makes a second attempt with the same file the same import.
 */
export async function upload(
  file: File,
  key: string,
  onProgress: (share: number) => void,
): Promise<Uploaded> {
  try {
    // The upload itself does not renew the session: see the proxy.
    await browser.renew();
  } catch {
    return lost;
  }
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/app/imports/upload");
    request.setRequestHeader("Idempotency-Key", key);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => {
      onProgress(total > 0 ? loaded / total : 0);
    };
    request.onload = () => {
      const body = request.response as { id?: string; detail?: string } | null;
      if (request.status === 202 && body?.id) resolve({ id: body.id });
      else resolve({ problem: body?.detail ?? `The server answered ${request.status}.` });
    };
    request.onerror = () => {
      resolve(lost);
    };
    const form = new FormData();
    form.set("file", file);
    request.send(form);
  });
}
