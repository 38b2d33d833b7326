import { TextSocket } from './socket.ts';

export type Reply = string | number | undefined | readonly Reply[];

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** A pipelined client of the Redis protocol (RESP2); latin1 only. An error reply rejects its command. */
export class RespConnection {
  #socket: TextSocket | undefined;
  readonly #waiting: Waiting[] = [];
  #first = 0;
  readonly #shared: boolean;

  private constructor(shared: boolean) {
    this.#shared = shared;
  }

  /** `shared`: several clients use it, and commands of one turn leave in one write. */
  static async open(port: number, shared: boolean): Promise<RespConnection> {
    const connection = new RespConnection(shared);
    connection.#socket = await TextSocket.open(
      { port },
      (text) => connection.#consume(text),
      (failure) => connection.#fail(failure),
    );
    return connection;
  }

  /** Commands that leave together; resolves with the reply to the last. */
  async commands(...commands: readonly (readonly string[])[]): Promise<Reply> {
    const text = commands.map(encodeCommand).join('');
    if (this.#shared) this.#socket!.send(text);
    else this.#socket!.sendNow(text);
    const replies = commands.map(
      () => new Promise<Reply>((resolve, reject) => void this.#waiting.push({ resolve, reject })),
    );
    return (await Promise.all(replies)).at(-1);
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }

  #consume(text: string): number {
    let at = 0;
    while (at < text.length) {
      const parsed = parseReply(text, at);
      if (parsed === undefined) break;
      at = parsed.end;
      const waiting = this.#waiting[this.#first]!;
      this.#first += 1;
      if (parsed.reply instanceof Error) waiting.reject(parsed.reply);
      else waiting.resolve(parsed.reply);
    }
    if (this.#first > 1_024) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    return at;
  }

  #fail(failure: Error): void {
    for (const { reject } of this.#waiting.splice(this.#first)) reject(failure);
  }
}

function encodeCommand(words: readonly string[]): string {
  let text = `*${words.length}\r\n`;
  for (const word of words) text += `$${word.length}\r\n${word}\r\n`;
  return text;
}

/** Undefined: the reply is not whole yet. */
export function parseReply(
  text: string,
  from: number,
): { readonly reply: Reply | Error; readonly end: number } | undefined {
  const lineEnd = text.indexOf('\r\n', from);
  if (lineEnd < 0) return undefined;
  const line = text.slice(from + 1, lineEnd);
  const next = lineEnd + 2;
  switch (text[from]) {
    case '+':
      return { reply: line, end: next };
    case '-':
      return { reply: new Error(line), end: next };
    case ':':
      return { reply: Number(line), end: next };
    case '$': {
      if (line === '-1') return { reply: undefined, end: next };
      const end = next + Number(line);
      return text.length < end + 2 ? undefined : { reply: text.slice(next, end), end: end + 2 };
    }
    case '*': {
      const items: Reply[] = [];
      let end = next;
      for (let left = Number(line); left > 0; left -= 1) {
        const item = parseReply(text, end);
        if (item === undefined) return undefined;
        if (item.reply instanceof Error) return item;
        items.push(item.reply);
        end = item.end;
      }
      return { reply: line === '-1' ? undefined : items, end };
    }
    default:
      throw new Error(`no reply of the Redis protocol: ${JSON.stringify(text.slice(from, from + 40))}`);
  }
}
