import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The WebSocket of java.net.http: the reader comes back by itself, with its cursor. */
public class HttpWebSocket implements WebSocket.Listener {
  private static final HttpClient CLIENT = HttpClient.newHttpClient();
  private static final URI HUB = URI.create(System.getenv("HUB_URL").replace("http", "ws") + "/ws");
  // A program of its own would have a JSON library; this one has none, and the frames are known.
  private static final Pattern FIELD = Pattern.compile("\"(op|node|cursor|topic|seq|ok|code|recovered|reason)\":\"?([^\",}\\]]*)");
  private static String cursor;

  private final CompletableFuture<String> end = new CompletableFuture<>();
  private final StringBuilder text = new StringBuilder();

  public static void main(String[] args) throws Exception {
    while (true) {
      HttpWebSocket reader = new HttpWebSocket();
      try {
        CLIENT.newWebSocketBuilder().buildAsync(HUB, reader).join();
        System.out.println("lost " + reader.end.join());
      } catch (Exception error) {
        System.out.println("lost " + error);
      }
      Thread.sleep(500 + (long) (Math.random() * 500));
    }
  }

  @Override
  public void onOpen(WebSocket socket) {
    String since = cursor == null ? "" : ",\"since\":\"" + cursor + "\"";
    socket.sendText("{\"op\":\"subscribe\",\"id\":1,\"topics\":[\"" + System.getenv("HUB_TOPIC") + "\"]" + since + "}", true);
    socket.request(1);
  }

  @Override
  public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
    text.append(part);
    if (last) {
      frame(text.toString());
      text.setLength(0);
    }
    socket.request(1);
    return null;
  }

  private static void frame(String frame) {
    String op = field(frame, "op");
    String position = field(frame, "cursor");
    switch (op) {
      case "welcome" -> System.out.println("welcome " + field(frame, "node"));
      case "gap" -> System.out.println("gap " + field(frame, "reason"));
      case "ack" -> {
        if (field(frame, "ok").equals("false")) {
          System.out.println("refused " + field(frame, "code"));
          return;
        }
        cursor = position;
        String recovered = field(frame, "recovered");
        System.out.println("subscribed " + (recovered.isEmpty() ? "new" : recovered) + " " + field(frame, "reason"));
      }
      case "message" -> {
        cursor = position;
        System.out.println("message " + field(frame, "topic") + " " + field(frame, "seq") + " " + cursor);
      }
      default -> {
        if (!position.isEmpty()) cursor = position;
      }
    }
  }

  private static String field(String frame, String name) {
    Matcher matcher = FIELD.matcher(frame);
    while (matcher.find()) if (matcher.group(1).equals(name)) return matcher.group(2);
    return "";
  }

  @Override
  public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
    end.complete(code + " " + reason);
    return null;
  }

  @Override
  public void onError(WebSocket socket, Throwable error) {
    end.complete(error.toString());
  }
}
