/** One instruction of a Dockerfile, its continuation lines joined. */
export interface Instruction {
  readonly keyword: string;
  readonly rest: string;
  readonly line: number;
}

export interface Stage {
  readonly image: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

export interface Copy {
  /** Another stage, or undefined for the build context. */
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

/**
 * The part of the Dockerfile language that ours uses.
 * @throws Error with the line of anything unsupported
 */
export function parseDockerfile(text: string): Stage[] {
  const variables = new Map<string, string>();
  const stages: { image: string; name: string | undefined; instructions: Instruction[] }[] = [];
  for (const { keyword, rest, line } of instructionsOf(text)) {
    const stage = stages.at(-1);
    if (keyword === 'FROM') {
      const [, image, name] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(expand(rest, variables)) ?? [];
      if (image === undefined) throw new Error(`line ${line}: FROM names no image`);
      stages.push({ image, name, instructions: [] });
    } else if (keyword === 'ARG' && stage === undefined) {
      const [name = '', value = ''] = rest.split('=', 2);
      variables.set(name, value);
    } else if (stage === undefined) {
      throw new Error(`line ${line}: ${keyword} comes before the first FROM`);
    } else stage.instructions.push({ keyword, rest, line });
  }
  return stages;
}

function instructionsOf(text: string): Instruction[] {
  const found: Instruction[] = [];
  let open: { text: string; line: number } | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    if (raw.trim() === '' || raw.trim().startsWith('#')) continue;
    const goesOn = raw.endsWith('\\');
    const part = (goesOn ? raw.slice(0, -1) : raw).trim();
    open = { text: `${open?.text ?? ''} ${part}`.trim(), line: open?.line ?? index + 1 };
    if (goesOn) continue;
    const [, keyword, rest] = /^([A-Z]+)\s+(.+)$/.exec(open.text) ?? [];
    if (keyword === undefined || rest === undefined) {
      throw new Error(`line ${open.line}: not an instruction`);
    }
    found.push({ keyword, rest, line: open.line });
    open = undefined;
  }
  if (open !== undefined) throw new Error(`line ${open.line}: continues after the end of the file`);
  return found;
}

function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = variables.get(name);
    if (value === undefined) throw new Error(`no ARG sets ${name}`);
    return value;
  });
}

export function copiesOf({ instructions }: Stage): Copy[] {
  return instructions
    .filter(({ keyword }) => keyword === 'COPY')
    .map(({ rest, line }) => {
      const words = rest.split(/\s+/);
      const from = words[0]?.startsWith('--from=') === true ? words.shift() : undefined;
      const target = words.pop();
      if (target === undefined || words.length === 0 || words[0]?.startsWith('--') === true) {
        throw new Error(`line ${line}: this form of COPY is not supported here`);
      }
      return { from: from?.slice('--from='.length), sources: words, target };
    });
}

/** The JSON array of an instruction in exec form; of several, the last. */
export function execForm({ instructions }: Stage, keyword: string): string[] {
  const last = instructions.findLast((instruction) => instruction.keyword === keyword);
  const array = /\[.*\]$/.exec(last?.rest ?? '')?.[0];
  if (array === undefined) throw new Error(`${keyword} is missing, or not in exec form`);
  return JSON.parse(array) as string[];
}

export function environmentOf({ instructions }: Stage): Record<string, string> {
  const pairs = instructions
    .filter(({ keyword }) => keyword === 'ENV')
    .flatMap(({ rest }) => rest.split(/\s+/))
    .map((pair) => pair.split('=', 2) as [string, string]);
  return Object.fromEntries(pairs);
}
