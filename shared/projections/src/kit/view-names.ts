const CREATES =
  /\bcreate\s+(?:or\s+replace\s+)?(?:recursive\s+)?view\s+(?:memory|"memory")\s*\.\s*(?:"((?:[^"]|"")+)"|([\p{L}_][\p{L}\d_$]*))/giu;
/** What is no code, or what must not be taken for the beginning of it. */
const COMMENT_OR_QUOTED = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"/g;

/** The views that a projection's text makes in the schema `memory`, without the schema. */
export function viewNames(viewsSql: string): string[] {
  const code = viewsSql.replaceAll(COMMENT_OR_QUOTED, (part) =>
    part.startsWith('"') ? part : ' ',
  );
  const found = [...code.matchAll(CREATES)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.toLowerCase() ?? '',
  );
  return [...new Set(found)];
}
