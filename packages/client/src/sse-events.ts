/**
 * Reads the events of a response until it ends: `text/event-stream` as the HTML standard has it, but for `retry`.
 *
 * @param silenceMs longest time without a byte, comments included: after it, the stream is taken for ended
 * @throws Error if the stream breaks
 */
export async function readEvents(
  response: Response,
  silenceMs: number,
  take: (name: string, data: string, id: string) => void,
): Promise<void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let ended: RegExp | string = '';
  let id = '';
  let name = '';
  let data = '';
  for (;;) {
    const timer = setTimeout(() => void reader.cancel(), silenceMs);
    const { done, value } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const chunk: string = decoder.decode(value, { stream: true }).replace(ended, '');
    // A CR ends its line at once; an LF that belongs to it may come with the next chunk.
    ended = chunk.endsWith('\r') ? /^\n/ : '';
    const lines = (text + chunk).split(/\r\n?|\n/);
    text = lines.pop()!;
    for (const line of lines) {
      const [, field, content] = /^([^:]*):? ?(.*)/s.exec(line)!;
      if (field === 'data') data += `\n${content}`;
      else if (field === 'event') name = content!;
      else if (field === 'id') id = content!;
      else if (!line) {
        if (data) take(name || 'message', data.slice(1), id);
        name = data = '';
      }
    }
  }
}
