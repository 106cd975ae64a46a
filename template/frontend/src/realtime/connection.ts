/** A message of the API's WebSocket. */
export interface Message {
  id: string | null;
  type: string;
  data: Record<string, unknown>;
}

export type Status = "connecting" | "live" | "waiting" | "refused";

export interface Listener {
  /** Something happened. */
  onMessage(message: Message): void;
  /** What happened before cannot be told: ask for the current state. */
  onGap(): void;
  onStatus(status: Status): void;
}

/** What the world is to a connection, so that a test can be another one. */
export interface Surroundings {
  ticket(): Promise<string>;
  open(ticket: string, lastEventId: string | null): WebSocket;
  later(work: () => void, milliseconds: number): () => void;
  random(): number;
}

const FIRST = 500;
const LONGEST = 30_000;

/** Not allowed here: trying again would change nothing. */
const NOT_ALLOWED = 4403;
/** The last event's id is no good any more. */
const BAD_EVENT_ID = 4400;

/**
 * Events of the API, for as long as it is wanted. A connection that is lost is made anew with a fresh
 * ticket, after a pause that grows and is never the same for two browsers, and goes on after the last
 * event that came.
 */
export class Connection {
  private socket: WebSocket | null = null;
  private lastEventId: string | null = null;
  private failures = 0;
  private closed = false;
  private cancel: (() => void) | null = null;

  constructor(
    private readonly listener: Listener,
    private readonly around: Surroundings,
  ) {
    void this.connect();
  }

  close(): void {
    this.closed = true;
    this.cancel?.();
    this.socket?.close();
  }

  private async connect(): Promise<void> {
    this.listener.onStatus("connecting");
    let ticket: string;
    try {
      ticket = await this.around.ticket();
    } catch {
      this.again();
      return;
    }
    if (this.isClosed()) return;
    const socket = this.around.open(ticket, this.lastEventId);
    this.socket = socket;
    socket.onmessage = (event: MessageEvent<string>) => {
      this.receive(JSON.parse(event.data) as Message);
    };
    socket.onclose = ({ code }) => {
      this.socket = null;
      if (this.isClosed()) return;
      if (code === NOT_ALLOWED) {
        this.listener.onStatus("refused");
        return;
      }
      if (code === BAD_EVENT_ID) this.lastEventId = null;
      this.again();
    };
  }

  private receive(message: Message): void {
    if (message.type === "hello") {
      this.failures = 0;
      // The first hello begins the story; a later one that resumes goes on with it.
      if (this.lastEventId !== null && message.data.resumed !== true) this.listener.onGap();
      this.lastEventId = eventId(message) ?? this.lastEventId;
      this.listener.onStatus("live");
      return;
    }
    if (message.id !== null) this.lastEventId = message.id;
    if (message.type === "resync") this.listener.onGap();
    else this.listener.onMessage(message);
  }

  private again(): void {
    if (this.isClosed()) return;
    this.listener.onStatus("waiting");
    const longest = Math.min(LONGEST, FIRST * 2 ** this.failures);
    this.failures += 1;
    this.cancel = this.around.later(
      () => void this.connect(),
      longest * (0.5 + this.around.random() / 2),
    );
  }

  // A method, because the field may change during an await, which types do not know.
  private isClosed(): boolean {
    return this.closed;
  }
}

/** A hello names in its data the event after which it goes on. */
function eventId({ id, data }: Message): string | null {
  return id ?? (typeof data.event_id === "string" ? data.event_id : null);
}

/** A browser's own: the ticket from this server, the socket to the same host. */
export const browser: Surroundings = {
  async ticket() {
    const response = await fetch("/app/realtime", { method: "POST" });
    if (!response.ok) throw new Error(`no ticket: ${response.status}`);
    return ((await response.json()) as { ticket: string }).ticket;
  },
  open(ticket, lastEventId) {
    const address = new URL("/api/v1/realtime", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (lastEventId) address.searchParams.set("last_event_id", lastEventId);
    // A subprotocol and not the address: addresses are logged.
    return new WebSocket(address, ["realtime.v1", `ticket.${ticket}`]);
  },
  later(work, milliseconds) {
    const timer = setTimeout(work, milliseconds);
    return () => {
      clearTimeout(timer);
    };
  },
  random: Math.random,
};
