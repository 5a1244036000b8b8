/** English words that carry little meaning; lower case, as `words` writes them. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about after again all also am an and any are as at be because been before being both but by
  can could did do does doing down during each few for from further had has have having he her here
  hers herself him himself his how i if in into is it its itself just let like me more most my myself
  no nor not now of off on once only or other our ours out over own please same she should so some
  such than that the their theirs them themselves then there these they this those through to too
  under until up us very was we were what when where which while who whom whose why will with would
  yes you your yours yourself i'm i've i'd i'll it's that's don't didn't doesn't isn't can't won't
  he's she's we're they're you're what's where's who's there's let's`.split(/\s+/),
);
