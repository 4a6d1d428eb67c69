import type { TopicVerdict } from '@axiom-streaming/protocol/message';
import type { Gap } from './types.js';

/** Gaps by stream and reason for the topics that were not recovered. To skip values is what conflation is for. */
export function gapsOf(
  verdicts: readonly (Omit<TopicVerdict, 'reason'> & { readonly reason?: string })[],
): Gap[] {
  const gaps = new Map<string, Gap & { topics: string[] }>();
  for (const { topic, recovered, reason = 'unknown' } of verdicts) {
    if (recovered !== false || reason === 'conflated') continue;
    const [stream = ''] = topic.split(':');
    const gap = gaps.get(`${stream} ${reason}`) ?? { stream, reason, recovered, topics: [] };
    gap.topics.push(topic);
    gaps.set(`${stream} ${reason}`, gap);
  }
  return [...gaps.values()];
}
