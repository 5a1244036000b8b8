/** What went wrong, in one sentence that says what to do; shown without a stack. */
export class Problem extends Error {}
