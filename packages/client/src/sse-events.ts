/**
 * Reads the events of a response until it ends: `text/event-stream` according to the standard, except for `retry` and
 * for a single CR as the end of a line.
 *
 * @param silenceMs longest time without a byte, comments included
 * @throws Error if the stream breaks or falls silent
 */
export async function readEvents(
  response: Response,
  silenceMs: number,
  take: (name: string, data: string, id: string) => void,
): Promise<void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let id = '';
  let name = '';
  let data = '';
  for (;;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the stream is silent')), silenceMs);
    });
    const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
    if (done) return;
    const lines = (text + decoder.decode(value, { stream: true })).split(/\r?\n/);
    text = lines.pop() ?? '';
    for (const line of lines) {
      const [, field, content = ''] = /^([^:]*):? ?(.*)/s.exec(line) ?? [];
      if (field === 'data') data += `\n${content}`;
      else if (field === 'event') name = content;
      else if (field === 'id') id = content;
      else if (line === '') {
        if (data !== '') take(name || 'message', data.slice(1), id);
        name = data = '';
      }
    }
  }
}
