import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.ErrorStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.FaultEvent;
import com.launchdarkly.eventsource.HttpConnectStrategy;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.StreamEvent;
import java.net.URI;
import java.util.concurrent.TimeUnit;
import org.json.JSONObject;

/**
 * com.launchdarkly:okhttp-eventsource. Its read timeout is 5 s unless it is told otherwise: shorter than the hub's 15 s
 * between comments, so a quiet stream would be cut and taken up again all the time.
 */
public class OkhttpEventSource {
  public static void main(String[] args) throws Exception {
    URI stream = URI.create(System.getenv("HUB_URL") + "/stream?topics=" + System.getenv("HUB_TOPIC"));
    HttpConnectStrategy connect = ConnectStrategy.http(stream);
    if (System.getenv("READ_TIMEOUT") == null) connect = connect.readTimeout(45, TimeUnit.SECONDS);
    EventSource source = new EventSource.Builder(connect).errorStrategy(ErrorStrategy.alwaysContinue()).build();
    for (StreamEvent event : source.anyEvents()) {
      if (event instanceof FaultEvent fault) System.out.println("lost " + fault.getCause());
      if (!(event instanceof MessageEvent message)) continue;
      JSONObject data = new JSONObject(message.getData());
      switch (message.getEventName()) {
        case "message" ->
          System.out.println("message " + data.opt("topic") + " " + data.opt("seq") + " " + message.getLastEventId());
        case "gap" -> System.out.println("gap " + data.opt("reason"));
        case "position" -> {
          if (data.isNull("node")) continue;
          JSONObject verdict = data.optJSONArray("topics").optJSONObject(0);
          System.out.println("welcome " + data.opt("node"));
          System.out.println("subscribed " + verdict.optString("recovered", "new") + " " + verdict.optString("reason"));
        }
        default -> { }
      }
    }
    System.out.println("ended anyEvents() returned");
  }
}
