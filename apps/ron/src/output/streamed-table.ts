import type { Output } from './output.ts';
import { type Column, renderTable } from './table.ts';

/** Rows that share column widths; a longer list is printed in such pieces, so that memory stays bounded. */
const rowsAtOnce = 500;

export interface TableRow {
  readonly cells: readonly string[];
  /** What `--json` prints instead. */
  readonly json: object;
}

/** Prints rows as they come, with one line of titles. Says "none" where there is none. Answers how many there were. */
export async function printRows<T>(
  output: Output,
  columns: readonly Column[],
  items: AsyncIterable<T>,
  rowOf: (item: T) => TableRow,
): Promise<number> {
  let rows: (readonly string[])[] = [];
  let printed = 0;
  const flush = () => {
    if (rows.length === 0) return;
    const lines = renderTable(columns, rows).split('\n');
    output.stdout.write(`${lines.slice(printed === 0 ? 0 : 1).join('\n')}\n`);
    printed += rows.length;
    rows = [];
  };
  let count = 0;
  for await (const item of items) {
    const { cells, json } = rowOf(item);
    count += 1;
    if (output.json) output.result(json, () => '');
    else rows.push(cells);
    if (rows.length >= rowsAtOnce) flush();
  }
  flush();
  if (count === 0) output.note('none');
  return count;
}
