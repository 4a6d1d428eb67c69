/** Maps nodes and relationships to topics: `(:Person)=graph:person/{id}, [:KNOWS]=graph:knows`. */
import { parseMappings, type TopicTemplate } from '../topic-template.js';

/** The nodes with a label, or the relationships of a type; their topic is made from properties. */
export interface ElementMapping extends TopicTemplate {
  readonly kind: 'node' | 'relationship';
  /** Label or type. */
  readonly name: string;
}

const NODE = /^\(:([\p{L}_][\p{L}\p{N}_]*)\)$/u;
const RELATIONSHIP = /^\[:([\p{L}_][\p{L}\p{N}_]*)\]$/u;

/** @throws Error that names the entry that is wrong. */
export function parseElementMappings(text: string): ElementMapping[] {
  return parseMappings(text, elementOf, '(:Person)=graph:person/{id}');
}

function elementOf(text: string): Pick<ElementMapping, 'kind' | 'name'> | undefined {
  const node = NODE.exec(text)?.[1];
  if (node !== undefined) return { kind: 'node', name: node };
  const relationship = RELATIONSHIP.exec(text)?.[1];
  return relationship === undefined ? undefined : { kind: 'relationship', name: relationship };
}
