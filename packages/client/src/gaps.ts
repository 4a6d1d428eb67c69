import type { Gap, Verdict } from './types.js';

/** The verdicts of topics whose cursor the hub does not know. */
export function unknownCursor(topics: readonly string[]): Verdict[] {
  return topics.map((topic) => ({ topic, recovered: false, reason: 'bad_cursor' }));
}

/** Gaps by stream and reason for the topics that were not recovered. Conflated topics have none: they skip values. */
export function gapsOf(verdicts: readonly Verdict[]): Gap[] {
  const gaps = new Map<string, Gap & { topics: string[] }>();
  for (const { topic, recovered, reason } of verdicts) {
    if (recovered !== false || reason === 'conflated') continue;
    const [stream = ''] = topic.split(':');
    const gap = gaps.get(`${stream} ${reason}`) ?? { stream, reason, recovered, topics: [] };
    gap.topics.push(topic);
    gaps.set(`${stream} ${reason}`, gap);
  }
  return [...gaps.values()];
}
