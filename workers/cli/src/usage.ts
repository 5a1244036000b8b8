/**
 * Commander's complaint as one sentence that says what to do: `error: unknown command 'stauts'`,
 * newline, `(Did you mean status?)` → `memfleet: unknown command 'stauts', did you mean status?
 * See memfleet --help.`
 */
export function usageLine(text: string): string {
  const [first = '', ...rest] = text.trim().split('\n');
  const complaint = first.replace(/^error: /, '').replace(/\.$/, '');
  const suggestion = /\(Did you mean (.+?)\??\)/.exec(rest.join(' '))?.[1];
  const sentence =
    suggestion === undefined ? `${complaint}.` : `${complaint}, did you mean ${suggestion}?`;
  return `memfleet: ${sentence} See --help.\n`;
}
