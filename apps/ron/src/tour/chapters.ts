/** One command of the tour, as it would be typed. */
export interface Step {
  readonly line: readonly string[];
  /** Exit code that shows the point; default 0. */
  readonly expect?: number;
  /** Run with the capability that the last `cap attenuate` printed. */
  readonly weaker?: boolean;
  /** Keep what it prints as the weaker capability, unseen. */
  readonly keep?: 'capability';
}

export interface Chapter {
  readonly title: string;
  readonly text: string;
  readonly steps: readonly Step[];
}

export interface TourPlace {
  /** Folder with the tour's files. */
  readonly folder: string;
  /** Name prefix of this run; nothing else is touched. */
  readonly prefix: string;
  /** Address of the first version of the note. */
  readonly address: string;
  /** A mailbox of this run. */
  readonly box: string;
}

/** What the tour shows, in order. Everything it names lies below its own prefix and is forgotten at the end. */
export function chaptersOf({ folder, prefix, address, box }: TourPlace): readonly Chapter[] {
  const note = `${folder}/note.txt`;
  const name = `${prefix}/note`;
  const site = `${prefix}/site`;
  return [
    {
      title: 'Store',
      text: 'Content has an address: the BLAKE3 of its bytes. The same bytes are stored once.',
      steps: [{ line: ['put', note, '--name', name] }, { line: ['put', note] }, { line: ['has', address] }],
    },
    {
      title: 'Read',
      text: 'Every byte is verified against the address before it is shown, also a range of it.',
      steps: [{ line: ['get', name] }, { line: ['get', address, '--range', '0-4'] }, { line: ['stat', name] }],
    },
    {
      title: 'Name',
      text: 'A name points at an address, in versions that only grow. Going back is a new version.',
      steps: [
        { line: ['put', `${folder}/second.txt`, '--name', name] },
        { line: ['name', 'history', name] },
        { line: ['name', 'rollback', name, '1'] },
        { line: ['name', 'resolve', name] },
      ],
    },
    {
      title: 'Folders',
      text: 'A folder becomes a bundle: one address for all of it. A named one is a web site.',
      steps: [
        { line: ['put', '-r', `${folder}/site`, '--name', site] },
        { line: ['get', `${site}/style.css`] },
        { line: ['get', '-r', site, '-o', `${folder}/copy`] },
      ],
    },
    {
      title: 'Share',
      text: 'A weaker capability is made here, without asking the node. This one may read the note, for an hour.',
      steps: [
        { line: ['cap', 'attenuate', '--read', name, '--expires', '1h'], keep: 'capability' },
        { line: ['get', name], weaker: true },
        { line: ['put', note, '--name', name], weaker: true, expect: 4 },
      ],
    },
    {
      title: 'Messages',
      text: 'A mailbox hands each message to one receiver, again until it is acknowledged. One key, one message.',
      steps: [
        { line: ['mailbox', 'send', box, 'Hello', '--key', 'first'] },
        { line: ['mailbox', 'send', box, 'Hello', '--key', 'first'] },
        { line: ['mailbox', 'recv', box, '--ack'] },
        { line: ['mailbox', 'recv', box] },
      ],
    },
    {
      title: 'Look after it',
      text: 'Why something is kept, what nobody keeps any more, and whether the node is well.',
      steps: [
        { line: ['why', address] },
        { line: ['gc', '--dry-run'] },
        { line: ['scrub', 'status'] },
        { line: ['status'] },
        { line: ['name', 'rm', name] },
        { line: ['name', 'rm', site] },
      ],
    },
  ];
}
