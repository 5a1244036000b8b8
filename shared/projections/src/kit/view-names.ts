const CREATES =
  /\bcreate\s+(?:or\s+replace\s+)?(?:recursive\s+)?view\s+(?:memory|"memory")\s*\.\s*(?:"((?:[^"]|"")+)"|([\p{L}_][\p{L}\d_$]*))/giu;
/** Comments, strings and quoted names: text that must not be read as code. */
const COMMENT_OR_QUOTED = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"/g;

/** Names of the views that a projection's SQL creates in the schema `memory`, without the schema. */
export function viewNames(viewsSql: string): string[] {
  const code = viewsSql.replaceAll(COMMENT_OR_QUOTED, (part) =>
    part.startsWith('"') ? part : ' ',
  );
  const found = [...code.matchAll(CREATES)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.toLowerCase() ?? '',
  );
  return [...new Set(found)];
}
