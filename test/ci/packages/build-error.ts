/** Why there is no build, in a sentence; a stack would say no more. */
export class BuildError extends Error {}
