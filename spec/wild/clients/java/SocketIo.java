import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Socket;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONObject;

/** io.socket:socket.io-client. It knows no recovery of its own: the cursor goes with every subscribe. */
public class SocketIo {
  private static final String TOPIC = System.getenv("HUB_TOPIC");
  private static volatile String cursor;

  public static void main(String[] args) throws Exception {
    Socket socket = IO.socket(System.getenv("HUB_URL"));
    socket.on(Socket.EVENT_CONNECT, none -> subscribe(socket));
    socket.on("message", event -> {
      JSONObject message = (JSONObject) event[0];
      cursor = (String) event[1];
      System.out.println("message " + message.opt("topic") + " " + message.opt("seq") + " " + cursor);
    });
    socket.on("position", event -> cursor = (String) event[0]);
    socket.on("welcome", event -> System.out.println("welcome " + ((JSONObject) event[0]).opt("node")));
    socket.on("gap", event -> System.out.println("gap " + ((JSONObject) event[0]).opt("reason")));
    socket.on(Socket.EVENT_DISCONNECT, event -> System.out.println("lost " + event[0]));
    socket.on(Socket.EVENT_CONNECT_ERROR, event -> {
      System.out.println("lost " + event[0]);
      if (!socket.isActive()) System.out.println("ended " + event[0]);
    });
    socket.connect();
  }

  private static void subscribe(Socket socket) {
    try {
      JSONObject request = new JSONObject().put("topics", new JSONArray(List.of(TOPIC)));
      if (cursor != null) request.put("since", cursor);
      socket.emit("subscribe", request, (Ack) SocketIo::subscribed);
    } catch (org.json.JSONException error) {
      throw new IllegalStateException(error);
    }
  }

  private static void subscribed(Object... answer) {
    JSONObject ack = (JSONObject) answer[0];
    if (!ack.optBoolean("ok")) {
      System.out.println("refused " + ack.optJSONObject("error").opt("code"));
      return;
    }
    if (cursor == null) cursor = ack.optString("cursor");
    JSONObject verdict = ack.optJSONArray("topics").optJSONObject(0);
    System.out.println("subscribed " + verdict.optString("recovered", "new") + " " + verdict.optString("reason"));
  }
}
