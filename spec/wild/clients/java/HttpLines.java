import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Iterator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An event stream read by lines with java.net.http, which asks for HTTP/2 (h2c) unless it is told otherwise. */
public class HttpLines {
  private static final Pattern FIELD = Pattern.compile("\"(node|topic|seq|recovered|reason)\":\"?([^\",}\\]]*)");

  public static void main(String[] args) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    URI stream = URI.create(System.getenv("HUB_URL") + "/stream?topics=" + System.getenv("HUB_TOPIC"));
    String last = "";
    while (true) {
      try {
        HttpRequest.Builder request = HttpRequest.newBuilder(stream).header("Accept", "text/event-stream");
        if (!last.isEmpty()) request.header("Last-Event-ID", last);
        var response = client.send(request.build(), HttpResponse.BodyHandlers.ofLines());
        if (response.statusCode() != 200) throw new IllegalStateException("status " + response.statusCode());
        String event = "message";
        Iterator<String> lines = response.body().iterator();
        while (lines.hasNext()) {
          String line = lines.next();
          if (line.startsWith("event: ")) event = line.substring(7);
          else if (line.startsWith("id: ")) last = line.substring(4);
          else if (line.startsWith("data: ")) data(event, line.substring(6), last);
          else if (line.isEmpty()) event = "message";
        }
        System.out.println("lost the stream ended");
      } catch (Exception error) {
        System.out.println("lost " + error);
      }
      Thread.sleep(1000);
    }
  }

  private static void data(String event, String data, String cursor) {
    switch (event) {
      case "message" -> System.out.println("message " + field(data, "topic") + " " + field(data, "seq") + " " + cursor);
      case "gap" -> System.out.println("gap " + field(data, "reason"));
      case "position" -> {
        if (field(data, "node").isEmpty()) return;
        String recovered = field(data, "recovered");
        System.out.println("welcome " + field(data, "node"));
        System.out.println("subscribed " + (recovered.isEmpty() ? "new" : recovered) + " " + field(data, "reason"));
      }
      default -> { }
    }
  }

  private static String field(String frame, String name) {
    Matcher matcher = FIELD.matcher(frame);
    while (matcher.find()) if (matcher.group(1).equals(name)) return matcher.group(2);
    return "";
  }
}
