"use client";

import { X } from "lucide-react";
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useRef,
  useState,
  type ReactNode,
} from "react";

import { Alert } from "./alert";
import { Button } from "./button";

type Tone = "info" | "success" | "warning" | "danger";

interface Toast {
  id: number;
  tone: Tone;
  message: string;
}

/** How long one stays, unless the pointer or the focus rests on the region. Errors stay. */
const MILLISECONDS = 6000;

const Announce = createContext<((tone: Tone, message: string) => void) | null>(null);

/** Say something in passing: `const toast = useToast(); toast("success", "Saved.")`. */
export function useToast(): (tone: Tone, message: string) => void {
  const announce = useContext(Announce);
  if (!announce) throw new Error("useToast needs a ToastRegion around it.");
  return announce;
}

export function ToastRegion({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const [held, setHeld] = useState(false);
  const count = useRef(0);

  const announce = useCallback((tone: Tone, message: string) => {
    count.current += 1;
    const toast = { id: count.current, tone, message };
    setToasts((others) => [...others.slice(-3), toast]);
  }, []);

  const dismiss = useCallback((id: number) => {
    setToasts((others) => others.filter((toast) => toast.id !== id));
  }, []);

  return (
    <Announce value={announce}>
      {children}
      <section
        aria-label="Notifications"
        aria-live="polite"
        onPointerEnter={() => {
          setHeld(true);
        }}
        onPointerLeave={() => {
          setHeld(false);
        }}
        onFocus={() => {
          setHeld(true);
        }}
        onBlur={() => {
          setHeld(false);
        }}
        className="pointer-events-none fixed inset-x-4 bottom-4 z-50 grid justify-items-end gap-2"
      >
        {toasts.map((toast) => (
          <Message key={toast.id} toast={toast} held={held} onDismiss={dismiss} />
        ))}
      </section>
    </Announce>
  );
}

function Message({
  toast,
  held,
  onDismiss,
}: {
  toast: Toast;
  held: boolean;
  onDismiss: (id: number) => void;
}) {
  const { id, tone, message } = toast;

  useEffect(() => {
    if (held || tone === "danger") return;
    const timer = setTimeout(() => {
      onDismiss(id);
    }, MILLISECONDS);
    return () => {
      clearTimeout(timer);
    };
  }, [held, id, onDismiss, tone]);

  return (
    <div className="pointer-events-auto flex w-full max-w-sm items-start gap-1 rounded-card border border-line bg-surface p-1.5 shadow-float">
      <Alert tone={tone} className="flex-1">
        {message}
      </Alert>
      <Button
        variant="quiet"
        size="icon"
        aria-label="Dismiss"
        onClick={() => {
          onDismiss(id);
        }}
      >
        <X aria-hidden />
      </Button>
    </div>
  );
}
