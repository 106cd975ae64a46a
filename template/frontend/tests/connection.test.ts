import { expect, test } from "vitest";

import { Connection, type Message, type Status, type Surroundings } from "@/realtime/connection";

/** A browser's socket, moved by hand. */
class Socket {
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;

  close() {
    this.closed = true;
  }

  says(message: Partial<Message>) {
    this.onmessage?.({ data: JSON.stringify({ id: null, data: {}, ...message }) });
  }

  ends(code = 1006) {
    this.onclose?.({ code });
  }
}

class World implements Surroundings {
  tickets = 0;
  refusesTickets = false;
  opened: { ticket: string; after: string | null; socket: Socket }[] = [];
  pauses: number[] = [];
  private waiting: (() => void)[] = [];

  ticket() {
    if (this.refusesTickets) return Promise.reject(new Error("no"));
    this.tickets += 1;
    return Promise.resolve(`ticket ${this.tickets}`);
  }

  open(ticket: string, after: string | null) {
    const socket = new Socket();
    this.opened.push({ ticket, after, socket });
    return socket as unknown as WebSocket;
  }

  later(work: () => void, milliseconds: number) {
    this.pauses.push(milliseconds);
    this.waiting.push(work);
    return () => {
      this.waiting = [];
    };
  }

  random = () => 1;

  /** Let the pause be over. */
  async goOn() {
    for (const work of this.waiting.splice(0)) work();
    await settled();
  }

  get socket(): Socket {
    const last = this.opened.at(-1);
    if (!last) throw new Error("no socket was opened");
    return last.socket;
  }
}

async function settled() {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

async function begin(world = new World()) {
  const heard: Message[] = [];
  const statuses: Status[] = [];
  let gaps = 0;
  const connection = new Connection(
    {
      onMessage: (message) => heard.push(message),
      onGap: () => (gaps += 1),
      onStatus: (status) => statuses.push(status),
    },
    world,
  );
  await settled();
  return { world, connection, heard, statuses, gaps: () => gaps };
}

test("what happens is told once the server has greeted", async () => {
  const { world, heard, statuses, gaps } = await begin();
  world.socket.says({ type: "hello", id: "5-0" });
  world.socket.says({ type: "import.progress", id: "6-0", data: { rows_done: 1 } });
  expect(statuses).toEqual(["connecting", "live"]);
  expect(heard.map(({ id }) => id)).toEqual(["6-0"]);
  expect(gaps()).toBe(0);
});

test("a lost connection goes on after the last event, with a fresh ticket", async () => {
  const { world, gaps } = await begin();
  world.socket.says({ type: "hello", id: "5-0" });
  world.socket.says({ type: "import.progress", id: "7-0" });
  world.socket.ends();
  await world.goOn();
  expect(world.opened.map(({ ticket, after }) => [ticket, after])).toEqual([
    ["ticket 1", null],
    ["ticket 2", "7-0"],
  ]);
  world.socket.says({ type: "hello", id: "7-0", data: { resumed: true } });
  expect(gaps()).toBe(0);
});

test("a gap that cannot be told is said", async () => {
  const { world, gaps, heard } = await begin();
  world.socket.says({ type: "hello", id: "5-0" });
  world.socket.says({ type: "resync", id: null });
  expect(gaps()).toBe(1);
  world.socket.ends();
  await world.goOn();
  world.socket.says({ type: "hello", id: "9-0", data: { resumed: false } });
  expect(gaps()).toBe(2);
  expect(heard).toEqual([]);
});

test("pauses grow up to half a minute, and begin anew after a greeting", async () => {
  const { world } = await begin();
  for (let attempt = 0; attempt < 9; attempt += 1) {
    world.socket.ends();
    await world.goOn();
  }
  expect(world.pauses.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
  expect(Math.max(...world.pauses)).toBe(30_000);
  world.socket.says({ type: "hello", id: "1-0" });
  world.socket.ends();
  expect(world.pauses.at(-1)).toBe(500);
});

test("without a ticket it tries again", async () => {
  const world = new World();
  world.refusesTickets = true;
  const { statuses } = await begin(world);
  expect(statuses).toEqual(["connecting", "waiting"]);
  world.refusesTickets = false;
  await world.goOn();
  expect(world.opened).toHaveLength(1);
});

test("who is not allowed does not try again", async () => {
  const { world, statuses } = await begin();
  world.socket.ends(4403);
  expect(statuses.at(-1)).toBe("refused");
  expect(world.pauses).toEqual([]);
});

test("an event id that the server does not take is forgotten", async () => {
  const { world } = await begin();
  world.socket.says({ type: "hello", id: "5-0" });
  world.socket.ends(4400);
  await world.goOn();
  expect(world.opened.at(-1)?.after).toBeNull();
});

test("a connection that is closed stays closed", async () => {
  const { world, connection } = await begin();
  connection.close();
  expect(world.socket.closed).toBe(true);
  world.socket.ends();
  await world.goOn();
  expect(world.opened).toHaveLength(1);
});
