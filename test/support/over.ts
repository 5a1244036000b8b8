/** The same object with some methods replaced; everything else comes from the original. */
export function over<Target extends object>(
  target: Target,
  changes: { readonly [Key in keyof Target]?: unknown },
): Target {
  return Object.assign(Object.create(target) as Target, changes);
}
