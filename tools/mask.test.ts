import { expect, test } from 'vitest';
import { maskCode, maskComments } from './mask.ts';

test.each([
  ["a('x // y'); // z", "a('      ');     "],
  ['a /* b\n c */ d', 'a     \n      d'],
  ["f(/'[/]'/g, 'b')", "f(/     /g, ' ')"],
  ['x = a / b; // c', 'x = a / b;     '],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a template is the sample
  ['`a ${ b(`c ${d}`) } e` + f', '`  ${ b(`  ${d}`) }  ` + f'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a template is the sample
  ["`${ { a: 1 } }'` + 'b'", "`${ { a: 1 } } ` + ' '"],
  ["'it\\'s' + x", "'     ' + x"],
])('maskCode of %j', (text, masked) => {
  expect(maskCode(text)).toBe(masked);
});

test('maskComments keeps strings', () => {
  expect(maskComments("a('x // y'); // z")).toBe("a('x // y');     ");
});
