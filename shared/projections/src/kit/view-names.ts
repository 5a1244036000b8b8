const CREATES = /\bcreate\s+(?:or\s+replace\s+)?view\s+memory\.(?:"([^"]+)"|([a-z_][a-z0-9_$]*))/gi;

/** The views that a projection's text makes in the schema `memory`, without the schema. */
export function viewNames(viewsSql: string): string[] {
  const found = [...viewsSql.matchAll(CREATES)].map(
    ([, quoted, plain]) => quoted ?? plain?.toLowerCase() ?? '',
  );
  return [...new Set(found)];
}
