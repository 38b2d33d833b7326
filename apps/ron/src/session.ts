import type { Access, RonClient, Rotation, Transport } from '@ron/app-sdk';
import { createHttpTransport, connect as openClient, proofKeyOf } from '@ron/app-sdk/node';
import { nativeHasher } from './native-hasher.ts';
import type { InputStream, Output } from './output/output.ts';
import { Progress } from './output/progress.ts';
import { readPassportFile, rotated, writePassportFile } from './secrets/passport-file.ts';
import { readSigningKey } from './secrets/signing-key.ts';
import type { Settings } from './settings.ts';

export interface SessionFields {
  readonly command: string;
  readonly settings: Settings;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly input: InputStream;
  readonly environment: NodeJS.ProcessEnv;
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
  readonly environment: NodeJS.ProcessEnv;
  readonly execute: SessionFields['execute'];
  #client: RonClient | undefined;
  #transport: Transport | undefined;

  constructor(fields: SessionFields) {
    this.command = fields.command;
    this.settings = fields.settings;
    this.output = fields.output;
    this.signal = fields.signal;
    this.input = fields.input;
    this.environment = fields.environment;
    this.execute = fields.execute;
  }

  get client(): RonClient {
    this.#client ??= openClient(this.#options());
    return this.#client;
  }

  /** Calls that the client does not offer, over the same connections. */
  get transport(): Transport {
    // The client makes it, with the capability that the client keeps fresh.
    if (this.#transport === undefined) this.#client = this.client;
    return this.#transport!;
  }

  #options() {
    const { url, capability, passport, proofKey } = this.settings;
    const newHasher = nativeHasher();
    return {
      url: url.value,
      newTransport: (access: Access) => {
        this.#transport = createHttpTransport(url.value, access);
        return this.#transport;
      },
      ...(capability.value === undefined ? {} : { capability: capability.value }),
      ...(passport.value === undefined ? {} : renewing(passport.value)),
      ...(proofKey.value === undefined ? {} : { key: proofKeyOf(readSigningKey(proofKey.value).private.ed25519) }),
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

/** The file is read before each exchange: another command may have renewed it meanwhile. */
function renewing(path: string) {
  return {
    refreshToken: () => readPassportFile(path).refresh_token,
    onRotated: (rotation: Rotation) => writePassportFile(path, rotated(readPassportFile(path), rotation)),
  };
}
