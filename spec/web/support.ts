import type { HubMessage } from '@axiom-streaming/client';
import { paintWith } from '../../web/src/live/painter.js';

/** A message as the client library hands it on. */
export function message(
  topic: string,
  seq: number,
  data: object,
  more: Partial<HubMessage> = {},
): HubMessage {
  return { topic, seq, time: 1_763_900_000_000 + seq, data, ...more } as HubMessage;
}

/** Stands in for the screen. @returns paints what waits for the next frame */
export function holdFrames(): () => void {
  const frames: (() => void)[] = [];
  paintWith((paint) => void frames.push(paint));
  return () => {
    for (const paint of frames.splice(0)) paint();
  };
}
