/** `news:<category>`: sample headlines, one after the other, in a loop. */
import type { NewsData } from '@axiom-streaming/protocol/demo-data';
import { type Feed, publicationId, rowAt } from './feed.js';
import { HEADLINES } from './headlines.js';

/** The `news` feed: a headline every `intervalMs`. */
export function newsFeed(intervalMs: number): Feed {
  return {
    name: 'news',
    intervalMs,
    at: (tick) => {
      const headline = HEADLINES[rowAt(tick, HEADLINES.length)]!;
      const data: NewsData = { source: 'sample', ...headline };
      return [
        {
          topic: `news:${headline.category}`,
          data: JSON.stringify(data),
          id: publicationId('news', headline.category, tick),
        },
      ];
    },
  };
}
