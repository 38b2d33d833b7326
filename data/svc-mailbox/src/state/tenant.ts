import type { Box } from './box.ts';
import { SortedNames } from './sorted-names.ts';

/** What a tenant holds. It is forgotten with its last box. */
export class Tenant {
  readonly name: string;
  readonly boxes = new Map<string, Box>();
  /** The names of `boxes`, for lists. */
  readonly names = new SortedNames();
  /** Boxes with a message in them. */
  busyBoxes = 0;
  messages = 0;
  bytes = 0;

  constructor(name: string) {
    this.name = name;
  }
}
