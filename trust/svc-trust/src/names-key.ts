/** The key that name records are signed with. */
export interface NamesKey {
  /** The current one's id: the `owner` of a record. */
  readonly owner: string;
  /** 64 bytes, Ed25519, with the current one. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}
