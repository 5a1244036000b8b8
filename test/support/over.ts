/** The same object with other methods; everything else is that of the original. */
export function over<Target extends object>(
  target: Target,
  changes: { readonly [Key in keyof Target]?: unknown },
): Target {
  return Object.assign(Object.create(target) as Target, changes);
}
