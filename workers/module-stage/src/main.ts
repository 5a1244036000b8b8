import { runModuleStage } from '@memfleet/fleet';

/** The worker of a stage that a module brings; its name is the argument. */
await runModuleStage(process.argv[2] ?? '');
