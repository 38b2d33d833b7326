/** Randomness: cryptographic in the real adapter, seeded in simulation. */
export interface Random {
  /** `length` fresh bytes, 0 to 65 536. */
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1), 53 bits. */
  unit(): number;
}
