import { stripVTControlCharacters } from 'node:util';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Columns as wide as their widest cell, two spaces apart. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_column, index) => Math.max(...[titles, ...rows].map((row) => width(row[index] ?? ''))));
  const line = (row: readonly string[]) =>
    columns
      .map(({ align }, index) => pad(row[index] ?? '', widths[index]!, align ?? 'left'))
      .join('  ')
      .trimEnd();
  return [titles, ...rows].map(line).join('\n');
}

/** `label  value` lines with the labels aligned. */
export function renderFields(fields: readonly (readonly [string, string])[]): string {
  const widest = Math.max(0, ...fields.map(([label]) => width(label)));
  return fields.map(([label, value]) => `${pad(label, widest, 'left')}  ${value}`).join('\n');
}

function pad(text: string, toWidth: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, toWidth - width(text)));
  return align === 'left' ? text + space : space + text;
}

function width(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}
