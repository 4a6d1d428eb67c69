import type { Case } from './run-case.js';

function topicNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `market:T${String(i).padStart(5, '0')}`);
}

/** All connections read one topic. */
export function oneTopic(connections: number, perSecond: number): Case {
  const topics = topicNames(1);
  return {
    name: `1 topic, ${connections.toLocaleString('en')} subscribers, ${perSecond.toLocaleString('en')} msg/s`,
    topics,
    subscriptions: Array.from({ length: connections }, () => topics),
    perSecond,
  };
}

/** Each connection reads some of many topics, chosen so that neighbours read different ones. */
export function manyTopics(topicCount: number, each: number, connections: number, perSecond: number): Case {
  const topics = topicNames(topicCount);
  return {
    name: `${topicCount.toLocaleString('en')} topics, ${each} each, ${connections.toLocaleString('en')} subscribers, ${perSecond.toLocaleString('en')} msg/s`,
    topics,
    subscriptions: Array.from({ length: connections }, (_, i) =>
      // The step has no common factor with the count, so that every topic gets the same number of readers.
      Array.from({ length: each }, (_, j) => topics[(i * 7 + j * 11 + ((i * 31) % 17)) % topicCount]!).filter(
        (topic, j, all) => all.indexOf(topic) === j,
      ),
    ),
    perSecond,
  };
}
