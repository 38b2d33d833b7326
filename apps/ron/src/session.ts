import type { RonClient, Transport } from '@ron/app-sdk';
import { createHttpTransport, connect as openClient } from '@ron/app-sdk/node';
import { nativeHasher } from './native-hasher.ts';
import type { InputStream, Output } from './output/output.ts';
import { Progress } from './output/progress.ts';
import type { Settings } from './settings.ts';

export interface SessionFields {
  readonly command: string;
  readonly settings: Settings;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly input: InputStream;
  /** Runs another command line in this process; for `tour`. */
  readonly execute: (line: readonly string[]) => Promise<number>;
}

/** What one command works with: where the node is, where output goes, and when to stop. */
export class Session implements AsyncDisposable {
  readonly command: string;
  readonly settings: Settings;
  readonly output: Output;
  /** Aborts on Ctrl-C. Belongs into every call. */
  readonly signal: AbortSignal;
  readonly input: InputStream;
  readonly execute: SessionFields['execute'];
  #client: RonClient | undefined;
  #transport: Transport | undefined;

  constructor(fields: SessionFields) {
    this.command = fields.command;
    this.settings = fields.settings;
    this.output = fields.output;
    this.signal = fields.signal;
    this.input = fields.input;
    this.execute = fields.execute;
  }

  get client(): RonClient {
    this.#client ??= openClient(this.#options());
    return this.#client;
  }

  /** Calls that the client does not offer, over the same connections. */
  get transport(): Transport {
    this.#transport ??= createHttpTransport(this.settings.url.value, () => this.settings.capability.value);
    return this.#transport;
  }

  #options() {
    const { url, capability } = this.settings;
    const newHasher = nativeHasher();
    return {
      url: url.value,
      transport: this.transport,
      ...(capability.value === undefined ? {} : { capability: capability.value }),
      ...(newHasher === undefined ? {} : { newHasher }),
    };
  }

  progress(label: string): Progress {
    return new Progress(this.output.stderr, label, !this.output.json);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
    await this.#transport?.[Symbol.asyncDispose]();
  }
}
