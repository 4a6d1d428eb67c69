/**
 * Reads the events of a response until it ends.
 *
 * @param silenceMs longest time without a byte, comments included
 * @throws Error where the stream breaks or falls silent
 */
export async function readEvents(
  response: Response,
  silenceMs: number,
  take: (name: never, data: string, id: string) => void,
): Promise<void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let id = '';
  for (;;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('the stream is silent')), silenceMs);
    });
    const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
    if (done) return;
    const blocks = (text + decoder.decode(value, { stream: true })).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      let [name, data] = ['message', ''];
      for (const line of block.split('\n')) {
        if (line.startsWith('data: ')) data += line.slice(6);
        else if (line.startsWith('event: ')) name = line.slice(7);
        else if (line.startsWith('id: ')) id = line.slice(4);
      }
      if (data !== '') take(name as never, data, id);
    }
  }
}
