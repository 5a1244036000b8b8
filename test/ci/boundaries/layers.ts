// Which workspace may import which: the layers of ARCHITECTURE.md. Tests may import everything and are not checked.

const SHARED = [
  'shared/events',
  'shared/runtime',
  'shared/models',
  'shared/stages',
  'shared/projections',
  'shared/recall',
  'shared/fleet',
];

const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'shared/events': [],
  'shared/runtime': ['shared/events'],
  'shared/models': ['shared/events', 'shared/runtime'],
  'shared/stages': ['shared/events', 'shared/runtime', 'shared/models'],
  'shared/projections': ['shared/events', 'shared/runtime'],
  'shared/recall': ['shared/events', 'shared/runtime', 'shared/models', 'shared/projections'],
  'shared/fleet': ['shared/events', 'shared/runtime', 'shared/stages', 'shared/projections'],
  'deploy/local': SHARED,
  // The one worker that starts the others, and so the embedded servers under them.
  'workers/cli': [...SHARED, 'deploy/local'],
};

/** It loads the modules that a configuration names, which no static import can. */
export const LOADER = 'shared/fleet/src/modules/load-modules.ts';

/** The folders of the workspaces that the one in `folder` may import; undefined when there is no rule for it. */
export function mayImport(folder: string): readonly string[] | undefined {
  return LAYERS[folder] ?? (folder.startsWith('workers/') ? SHARED : undefined);
}
