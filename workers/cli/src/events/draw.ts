import type { LineageRow } from './lineage.ts';

/** An event and what it led to. */
export interface TreeNode {
  readonly id: string;
  readonly type: string;
  readonly tenant: string;
  readonly memory: string;
  readonly source: string;
  readonly sequence: number;
  readonly time: string;
  readonly correlation: string;
  readonly children: readonly TreeNode[];
}

/**
 * Nests events below their causes, in the given order. An event is a root when its cause is itself or is
 * not among them; when events cause each other in a circle, the first one is.
 */
export function buildTrees(rows: readonly LineageRow[]): TreeNode[] {
  const known = new Set(rows.map(identity));
  const byCause = Map.groupBy(rows, (row) => `${row.tenant} ${row.causation_id}`);
  const placed = new Set<LineageRow>();
  const nodeOf = (row: LineageRow): TreeNode => {
    placed.add(row);
    const children = (byCause.get(identity(row)) ?? []).flatMap((child) =>
      placed.has(child) ? [] : [nodeOf(child)],
    );
    return {
      id: row.event_id,
      type: row.type,
      tenant: row.tenant,
      memory: row.memory,
      source: row.source,
      sequence: Number(row.sequence),
      time: row.time.toISOString(),
      correlation: row.correlation_id,
      children,
    };
  };
  const isRoot = (row: LineageRow): boolean =>
    row.causation_id === row.event_id || !known.has(`${row.tenant} ${row.causation_id}`);
  const roots = rows.filter(isRoot).map(nodeOf);
  // Events that no root leads to are part of a circle.
  for (const row of rows) if (!placed.has(row)) roots.push(nodeOf(row));
  return roots;
}

function identity(row: LineageRow): string {
  return `${row.tenant} ${row.event_id}`;
}

/** Draws the tree with lines, and marks the given event. */
export function drawTree(root: TreeNode, marked: string): string {
  return [label(root, marked), ...branches(root, marked, '')].join('\n');
}

function branches(node: TreeNode, marked: string, indent: string): string[] {
  return node.children.flatMap((child, index) => {
    const isLast = index === node.children.length - 1;
    return [
      `${indent}${isLast ? '└─' : '├─'} ${label(child, marked)}`,
      ...branches(child, marked, `${indent}${isLast ? '   ' : '│  '}`),
    ];
  });
}

function label(node: TreeNode, marked: string): string {
  const mark = node.id === marked ? '  ◀' : '';
  return `${node.type}  ${node.id}  #${node.sequence}  ${node.tenant}/${node.memory}  ${node.time}${mark}`;
}
