/** What a message carries. The engine never looks inside. */
export type Body =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'address'; readonly address: string };

/** What a sender adds to a body. Kept with it, and never needed to decide anything. */
export type MessageHeaders = Readonly<Record<string, string>>;

export interface Content {
  readonly body: Body;
  readonly headers: MessageHeaders | undefined;
}
